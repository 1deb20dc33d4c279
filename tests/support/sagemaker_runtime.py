"""Fake of Amazon SageMaker between boto3's ``sagemaker-runtime`` client and a container.

It forwards requests to a container on this machine, and frames the responses as AWS does.
"""

from __future__ import annotations

import json
import re
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

PASSED_ON = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes")


def event(headers: dict[str, str], payload: bytes) -> bytes:
    """Encode a message of an AWS event stream."""
    block = b""
    for name, value in headers.items():
        block += struct.pack("!B", len(name)) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(block) + len(payload), len(block))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + block + payload
    return message + struct.pack("!I", zlib.crc32(message))


def payload_part(data: bytes) -> bytes:
    headers = {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }
    return event(headers, data)


def stream_error(code: str, message: str) -> bytes:
    headers = {
        ":message-type": "exception",
        ":exception-type": "ModelStreamError",
        ":content-type": "application/json",
    }
    return event(headers, json.dumps({"ErrorCode": code, "Message": message}).encode())


class _Handler(BaseHTTPRequestHandler):
    container = ""

    def do_POST(self) -> None:
        path = re.fullmatch(r"/endpoints/(?P<name>[\w-]+)/invocations(?P<stream>-response-stream)?", self.path)
        assert path, self.path
        assert "/sagemaker/aws4_request" in self.headers["Authorization"], "SigV4 ends here"
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        if accept := self.headers.get("X-Amzn-SageMaker-Accept"):
            headers["Accept"] = accept
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = f"{self.container}/invocations"
        with httpx.stream("POST", url, content=body, headers=headers, timeout=60, trust_env=False) as answer:
            if answer.is_error:
                self._model_error(answer.status_code, answer.read().decode())
            elif path["stream"]:
                self._stream(answer)
            else:
                self._whole(answer, answer.read())

    def _model_error(self, status: int, message: str) -> None:
        error = {
            "Message": f'Received client error ({status}) from primary with message "{message}".',
            "OriginalStatusCode": status,
            "OriginalMessage": message,
            "LogStreamArn": "",
        }
        body = json.dumps(error).encode()
        self._begin(424, {"x-amzn-ErrorType": "ModelError", "Content-Type": "application/json"}, len(body))
        self.wfile.write(body)

    def _whole(self, answer: httpx.Response, body: bytes) -> None:
        self._begin(200, {"Content-Type": answer.headers["content-type"], **self._forwarded(answer)}, len(body))
        self.wfile.write(body)

    def _stream(self, answer: httpx.Response) -> None:
        kind = {"X-Amzn-SageMaker-Content-Type": answer.headers["content-type"]}
        self._begin(200, {"Content-Type": "application/vnd.amazon.eventstream", **kind, **self._forwarded(answer)})
        try:
            for data in answer.iter_raw():
                self.wfile.write(payload_part(data))
                self.wfile.flush()
        except httpx.HTTPError as error:
            self.wfile.write(stream_error("StreamBroken", str(error)))

    def _forwarded(self, answer: httpx.Response) -> dict[str, str]:
        names = ("X-Amzn-SageMaker-Custom-Attributes",)
        forwarded = {name: answer.headers[name] for name in names if name in answer.headers}
        return {"x-Amzn-Invoked-Production-Variant": "primary", **forwarded}

    def _begin(self, status: int, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def runtime(container: str) -> Iterator[str]:
    """Serve on a free port in front of ``container``; yields the URL for ``endpoint_url``."""
    handler = type("Handler", (_Handler,), {"container": container})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
