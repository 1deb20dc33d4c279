"""``/tts/stream``: live sessions, for text that a language model is still writing."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.common import json_socket

router = APIRouter()
router.add_api_websocket_route("/tts/stream", json_socket.stream)
