"""Fake of Amazon Bedrock's ConverseStream on this machine, which frames events as AWS does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.sagemaker_runtime import event

MODEL = "amazon.nova-lite-v1:0"


@dataclass
class Bedrock:
    """State of the fake: its next response, and the requests so far.

    :ivar events: events of the stream; a ``…Exception`` ends it.
    :ivar error: error code and message, instead of a stream.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    error: tuple[int, str, str] | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def answers(self, *texts: str) -> None:
        deltas = [{"reasoningContent": {"text": "Let me think."}}, *({"text": text} for text in texts)]
        self.events = [{"contentBlockDelta": {"contentBlockIndex": 0, "delta": delta}} for delta in deltas]


class _Handler(BaseHTTPRequestHandler):
    bedrock: Bedrock

    def do_POST(self) -> None:
        assert self.path == f"/model/{MODEL.replace(':', '%3A')}/converse-stream"
        assert "/bedrock/aws4_request" in self.headers["Authorization"]
        self.bedrock.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.bedrock.error:
            self._refuse(*self.bedrock.error)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.amazon.eventstream")
        self.end_headers()
        end = [{"messageStop": {"stopReason": "end_turn"}}]
        for item in [{"messageStart": {"role": "assistant"}}, *self.bedrock.events, *end]:
            ((kind, payload),) = item.items()
            is_error = kind.endswith("Exception")
            headers = {":message-type": "exception", ":exception-type": kind} if is_error else {}
            headers = headers or {":message-type": "event", ":event-type": kind}
            self.wfile.write(event({**headers, ":content-type": "application/json"}, json.dumps(payload).encode()))

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = json.dumps({"message": message}).encode()
        self.send_response(status)
        for name, value in {"x-amzn-ErrorType": code, "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def bedrock() -> Iterator[Bedrock]:
    """Serve on a free port; ``url`` is for AWS_ENDPOINT_URL_BEDROCK_RUNTIME."""
    state = Bedrock()
    handler = type("Handler", (_Handler,), {"bedrock": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
