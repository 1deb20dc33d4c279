"""A server that sends arbitrary bytes, including invalid HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Script = Callable[[socket.socket, str], None]
"""Called with the connection and the requested path; the connection closes when it returns."""


@contextmanager
def answering(script: Script) -> Iterator[str]:
    """Run the server and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:  # closed
                    return
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

        def converse(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                asked = b""
                while b"\r\n\r\n" not in asked:
                    if not (received := connection.recv(65536)):
                        return
                    asked += received
                script(connection, asked.split()[1].decode())

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)  # wakes accept


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> Script:
    """A script that sends the same response to every request."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    return lambda connection, path: connection.sendall(head + body)
