"""Text, scripted speech and decoding for tests of live sessions."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator
from typing import Any

import av
import numpy as np
from support.socket import Socket

from backends.base import AudioChunk, Job

RATE = 24000
CHARS_PER_S = 20
TEXT = "It was late already, and the wind had turned. Nobody knew why! 你好，世界。 He counted: one, two, three."


async def proportional(job: Job) -> AsyncGenerator[AudioChunk, None]:
    """Seeded noise, 50 ms per character, in chunks of ten characters with their spans."""
    rng = np.random.default_rng(job.seed)
    for start in range(0, len(job.text), 10):
        end = min(len(job.text), start + 10)
        samples = rng.uniform(-0.5, 0.5, (end - start) * RATE // CHARS_PER_S).astype(np.float32)
        yield AudioChunk(job.id, samples, (start, end))
        await asyncio.sleep(0)


async def started(socket: Socket, **fields: Any) -> dict[str, Any]:
    socket.send("start", **fields)
    answer = await socket.next()
    assert isinstance(answer, dict), answer
    return answer


def of(events: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == type_]


def pcm(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2")


def decoded(data: bytes) -> tuple[np.ndarray, int]:
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]), frames[0].sample_rate
