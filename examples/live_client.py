"""Speak text while it is being written: standard input is sent word by word over a WebSocket.

    some-language-model | python examples/live_client.py | ffplay -nodisp -autoexit -f s16le -ar 24000 -i -

Needs websockets, a part of Voxgate. The server is VOXGATE_SERVER, or by default a gateway on this machine. Set
VOXGATE_API_KEY if it needs a key.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect


async def speak(deltas: AsyncIterable[str], play: Callable[[bytes], object], **voice: Any) -> AsyncIterator[dict]:
    """Send text as it arrives, pass audio to ``play`` as it arrives, and yield the gateway's events.

    :param voice: fields of the ``start`` event: engine, voice, format, sample_rate, speed, seed, language, options …
    """
    server = os.environ.get("VOXGATE_SERVER", "http://localhost:8000")
    key = os.environ.get("VOXGATE_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = server.replace("http", "ws", 1) + "/tts/stream"
    async with connect(url, additional_headers=headers, compression=None, max_size=None, proxy=None) as socket:
        await socket.send(json.dumps({"type": "start", **voice}))
        writing = asyncio.create_task(write(socket, deltas))
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    play(message)
                    continue
                event = json.loads(message)
                if event["type"] == "error":
                    raise RuntimeError(event["error"]["message"])
                yield event
        finally:
            writing.cancel()


async def write(socket: ClientConnection, deltas: AsyncIterable[str]) -> None:
    """Send all text, then ``end``.

    An assistant would instead send ``flush`` after each response, and ``interrupt`` with ``played_ms`` when the user
    interrupts it.
    """
    async for delta in deltas:
        await socket.send(json.dumps({"type": "text", "text": delta}))
    await socket.send(json.dumps({"type": "end"}))


async def words(text: str) -> AsyncIterator[str]:
    """Yield words with pauses, like a language model."""
    for word in text.split(" "):
        yield word + " "
        await asyncio.sleep(0.03)


def play(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


async def main(*fields: str) -> None:
    text = sys.stdin.read()
    async for event in speak(words(text), play, **dict(field.split("=", 1) for field in fields)):
        if event["type"] == "segment":
            print(f"{event['at_ms'] / 1000:6.2f} s  {text[event['start'] : event['end']]!r}", file=sys.stderr)
        elif event["type"] == "finished":
            print(f"{event['duration_ms'] / 1000:6.2f} s  of audio", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
