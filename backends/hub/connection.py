"""HTTP connections with a total time limit per response.

Read timeouts restart with every byte, so a server that drips its response would never time out. A ``Deadline`` closes
the connection instead.
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


class Deadline:
    """A time limit whose expiry shuts connections down, from a thread of its own.

    :param timeout_s: limit for the response; ``extend`` then sets a new one for each chunk.
    """

    def __init__(self, timeout_s: float):
        self.timeout_s = timeout_s
        self.expired = False
        self._due_s = time.monotonic() + timeout_s
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def start(self, sockets: list[socket.socket]) -> None:
        """Start the timer.

        :param sockets: the open sockets; the caller may append more while the timer runs.
        """
        self._sockets = sockets
        threading.Thread(target=self._run, name="hub-deadline", daemon=True).start()

    def stop(self) -> None:
        """Stop the timer. No connection is shut down after this returns."""
        with self._lock:
            self._stopped.set()

    def remaining_s(self) -> float:
        """Time until expiry."""
        return self._due_s - time.monotonic()

    def extend(self, seconds: float) -> None:
        """Expire this long from now; ``math.inf`` while the client, not the server, is busy."""
        self._due_s = time.monotonic() + seconds

    def shut_down(self, connection: socket.socket) -> None:
        """Shut a connection down; a blocked reader sees the end of the stream."""
        with suppress(OSError):
            # Not the TLS socket's own method, which would change the object another thread is reading from.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _run(self) -> None:
        while not self._stopped.wait(min(max(self.remaining_s(), 0.01), self.timeout_s)):
            with self._lock:
                if self._stopped.is_set():
                    return
                if self.remaining_s() <= 0:
                    self.expired = True
                    for connection in self._sockets:
                        self.shut_down(connection)
                    return


class Connections:
    """The HTTP connections of one fetch. Used by one thread at a time.

    :raises BadHubSettings: if a proxy variable is invalid.
    """

    def __init__(self, settings: HubSettings):
        timeout = httpx.Timeout(settings.stall_timeout_s, connect=settings.connect_timeout_s)
        # Compressed bodies can neither be resumed nor compared with the file's size.
        headers = {"User-Agent": "voxgate", "Accept-Encoding": "identity"}
        try:
            self._http = httpx.Client(timeout=timeout, headers=headers, follow_redirects=False)
        except (ImportError, ValueError, httpx.InvalidURL) as error:  # ImportError: SOCKS without socksio
            raise BadHubSettings(
                f"the proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY cannot be used: {error}"
            ) from error
        self._sockets: list[socket.socket] = []
        self._deadline: Deadline | None = None

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @contextmanager
    def deadline(self, timeout_s: float) -> Iterator[Deadline]:
        """Shut down all connections if the context lasts longer than ``timeout_s``."""
        self._sockets = [connection for connection in self._sockets if connection.fileno() != -1]
        deadline = self._deadline = Deadline(timeout_s)
        deadline.start(self._sockets)
        try:
            yield deadline
        finally:
            deadline.stop()
            self._deadline = None

    def get(
        self, url: str, headers: Mapping[str, str], timeout: httpx.Timeout
    ) -> AbstractContextManager[httpx.Response]:
        """Send a GET request. Redirects are not followed."""
        return self._http.stream("GET", url, headers=headers, timeout=timeout, extensions={"trace": self._trace})

    def _trace(self, event: str, info: Mapping[str, object]) -> None:
        """Record each new socket, which httpx exposes through its trace extension only."""
        stream = info.get("return_value")
        if not event.endswith(".complete") or not hasattr(stream, "get_extra_info"):
            return
        connection = stream.get_extra_info("socket")
        if isinstance(connection, socket.socket):
            self._sockets.append(connection)
            if self._deadline is not None and self._deadline.expired:  # connecting took too long
                self._deadline.shut_down(connection)


def read_chunks(response: httpx.Response, deadline: Deadline, chunk_timeout_s: float = 0.0) -> Iterator[bytes]:
    """Yield the body's bytes as they arrive.

    :param chunk_timeout_s: limit per chunk; 0: the deadline covers the whole body.
    :raises httpx.ReadTimeout: if the deadline expires.
    """
    raw = response.iter_raw()
    while True:
        if chunk_timeout_s:
            deadline.extend(chunk_timeout_s)
        chunk = next(raw, None)
        if deadline.expired:  # a body without a length looks complete then
            raise httpx.ReadTimeout("deadline expired", request=response.request)
        if chunk is None:
            return
        if chunk_timeout_s:
            deadline.extend(math.inf)
        yield chunk
