"""A WebSocket client of the application in memory, whose reading can be slowed down."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

from fastapi import FastAPI

TIMEOUT_S = 10.0


class Socket:
    """One WebSocket client.

    :param buffer: limit on unread messages of the gateway; 0: no limit.
    :ivar subprotocol: the one that the gateway has selected.
    :ivar code: the close code, once the gateway has closed the socket.
    :ivar denial: status, headers and body of the HTTP response that rejected the handshake.
    """

    def __init__(
        self,
        app: FastAPI,
        path: str = "/tts/stream",
        headers: dict[str, str] | None = None,
        buffer: int = 0,
        host: str = "localhost",
    ):
        self._app = app
        self._scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "ws",
            "headers": [(k.lower().encode(), v.encode()) for k, v in {"host": host, **(headers or {})}.items()],
            "subprotocols": (headers or {}).get("Sec-WebSocket-Protocol", "").replace(",", " ").split(),
            "client": ("127.0.0.1", 1),
            "server": ("gateway", 80),
            "extensions": {"websocket.http.response": {}},
            "state": {},
        }
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue(buffer)
        self.accepted: dict[str, str] | None = None
        self.subprotocol: str | None = None
        self.code: int | None = None
        self.reason: str | None = None
        self.denial: tuple[int, dict[str, str], Any] | None = None

    async def __aenter__(self) -> Self:
        self._to_app.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(self._app(self._scope, self._to_app.get, self._from_app.put))
        message = await self._message()
        headers = {key.decode(): value.decode() for key, value in message.get("headers", ())}
        if message["type"] == "websocket.accept":
            self.accepted = headers
            self.subprotocol = message.get("subprotocol")
        else:
            body = await self._message()
            self.denial = message["status"], headers, json.loads(body["body"])
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.hang_up()
        while not self.task.done():
            while not self._from_app.empty():
                self._from_app.get_nowait()
            await asyncio.wait({self.task}, timeout=0.01)
        self.task.result()

    def hang_up(self) -> None:
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def send(self, type: str, **fields: Any) -> None:
        self.send_raw(json.dumps({"type": type, **fields}))

    def send_raw(self, data: str | bytes) -> None:
        kind = "text" if isinstance(data, str) else "bytes"
        self._to_app.put_nowait({"type": "websocket.receive", kind: data})

    async def next_raw(self) -> str | bytes | None:
        """The next message; None once the gateway has closed the socket."""
        if self.code is not None:
            return None
        message = await self._message()
        if message["type"] == "websocket.close":
            self.code, self.reason = message["code"], message["reason"]
            return None
        return message["text"] if message.get("text") is not None else message["bytes"]

    async def next(self) -> dict[str, Any] | bytes | None:
        message = await self.next_raw()
        return json.loads(message) if isinstance(message, str) else message

    async def until(self, *types: str) -> tuple[list[dict[str, Any]], bytes]:
        """All events and audio up to an event of these types or the close frame."""
        events: list[dict[str, Any]] = []
        audio = b""
        while (message := await self.next()) is not None:
            if isinstance(message, bytes):
                audio += message
                continue
            events.append(message)
            if message["type"] in types:
                break
        return events, audio

    async def rest(self) -> tuple[list[dict[str, Any]], bytes]:
        """All events and audio up to the close frame."""
        return await self.until()

    async def _message(self) -> dict[str, Any]:
        async with asyncio.timeout(TIMEOUT_S):
            return await self._from_app.get()
