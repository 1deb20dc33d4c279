"""A reverse proxy that removes a prefix of paths and streams responses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


@contextmanager
def prefix_proxy(upstream: str, prefix: str) -> Iterator[str]:
    """Serve ``upstream`` below ``prefix``; anything else is 404. Yields the proxy's address with the prefix."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(prefix):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            url = upstream + self.path.removeprefix(prefix)
            with httpx.stream(self.command, url, headers=dict(self.headers), content=body, trust_env=False) as answer:
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name not in ("date", "transfer-encoding"):
                        self.send_header(name, value)
                self.end_headers()
                for data in answer.iter_raw():
                    self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
