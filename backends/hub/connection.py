"""HTTP with an end to waiting: a server that drips its answer is hung up on, as a silent one is.

Read timeouts do not see that one, since every byte starts them anew. A watch ends the connection itself.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress

import httpx

from backends.hub.errors import BadHubSettings
from backends.hub.settings import HubSettings


class Watch:
    """Hangs up when an answer is not there in time.

    :param within_s: how long the answer may take; ``between`` then allows each further piece its own time.
    """

    def __init__(self, within_s: float):
        self.within_s = within_s
        self.fired = False
        self._due_s = time.monotonic() + within_s
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def start(self, sockets: list[socket.socket]) -> None:
        """Begin to watch.

        :param sockets: those that are open; others may join while this watches.
        """
        self._sockets = sockets
        threading.Thread(target=self._run, name="hub-watch", daemon=True).start()

    def stop(self) -> None:
        """Stop watching; afterwards nothing is hung up on any more."""
        with self._lock:
            self._over.set()

    def left_s(self) -> float:
        """The time until this hangs up."""
        return self._due_s - time.monotonic()

    def between(self, seconds: float) -> None:
        """Allow the next piece this long; ``math.inf`` while it is not the server that is waited for."""
        self._due_s = time.monotonic() + seconds

    def hang_up(self, connection: socket.socket) -> None:
        """End a connection under whoever reads from it, who then finds it closed by the other side."""
        with suppress(OSError):
            # Not the method of a TLS socket, which would change the object another thread is reading from.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _run(self) -> None:
        while not self._over.wait(min(max(self.left_s(), 0.01), self.within_s)):
            with self._lock:
                if self._over.is_set():
                    return
                if self.left_s() <= 0:
                    self.fired = True
                    for connection in self._sockets:
                        self.hang_up(connection)
                    return


class Connections:
    """The connections of one fetch, to any number of hosts, used by one thread at a time.

    :raises BadHubSettings: a proxy variable cannot be used.
    """

    def __init__(self, settings: HubSettings):
        timeout = httpx.Timeout(settings.stall_timeout_s, connect=settings.connect_timeout_s)
        # Compressed bytes could be neither resumed nor counted against the file's size.
        headers = {"User-Agent": "voxgate", "Accept-Encoding": "identity"}
        try:
            self._http = httpx.Client(timeout=timeout, headers=headers, follow_redirects=False)
        except (ImportError, ValueError, httpx.InvalidURL) as error:  # ImportError: SOCKS without socksio
            raise BadHubSettings(
                f"the proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY cannot be used: {error}"
            ) from error
        self._sockets: list[socket.socket] = []
        self._watch: Watch | None = None

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close them."""
        self._http.close()

    @contextmanager
    def watched(self, within_s: float) -> Iterator[Watch]:
        """Hang up on every server that is asked meanwhile and has not answered in that time."""
        self._sockets = [connection for connection in self._sockets if connection.fileno() != -1]
        watch = self._watch = Watch(within_s)
        watch.start(self._sockets)
        try:
            yield watch
        finally:
            watch.stop()
            self._watch = None

    def get(
        self, url: str, headers: Mapping[str, str], timeout: httpx.Timeout
    ) -> AbstractContextManager[httpx.Response]:
        """Ask; no redirect is followed."""
        return self._http.stream("GET", url, headers=headers, timeout=timeout, extensions={"trace": self._trace})

    def _trace(self, event: str, info: Mapping[str, object]) -> None:
        """Learn of every connection that is made: this is how httpx's own transport tells."""
        stream = info.get("return_value")
        if not event.endswith(".complete") or not hasattr(stream, "get_extra_info"):
            return
        connection = stream.get_extra_info("socket")
        if isinstance(connection, socket.socket):
            self._sockets.append(connection)
            if self._watch is not None and self._watch.fired:  # it took too long to connect
                self._watch.hang_up(connection)


def pieces(response: httpx.Response, watch: Watch, between_s: float = 0.0) -> Iterator[bytes]:
    """The bytes of an answer as they arrive.

    :param between_s: how long the server may take for each; without it, the watch's own limit is for all of them.
    :raises httpx.ReadTimeout: the watch hung up.
    """
    raw = response.iter_raw()
    while True:
        if between_s:
            watch.between(between_s)
        chunk = next(raw, None)
        if watch.fired:  # an answer without a length just ends then
            raise httpx.ReadTimeout("hung up on", request=response.request)
        if chunk is None:
            return
        if between_s:
            watch.between(math.inf)
        yield chunk
