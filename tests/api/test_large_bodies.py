"""Cost of large bodies: bounded memory, bounded responses and no delay of other requests."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from support.app import InMemory, in_memory

from gateway.errors import ConfigError, InvalidRequest
from gateway.service.request import MAX_OPTION_VALUES

MEGABYTES = 10 * 2**20


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


async def longest_wait_s(gateway: InMemory, path: str, content: bytes) -> tuple[float, int, int]:
    """The longest delay of the event loop while a body is handled, and the response's status and size."""
    waits = [0.0]

    async def tick() -> None:
        while True:
            began_at = time.perf_counter()
            await asyncio.sleep(0.005)
            waits.append(time.perf_counter() - began_at)

    ticking = asyncio.create_task(tick())
    response = await gateway.client.post(path, content=content, headers={"content-type": "application/json"})
    ticking.cancel()
    return max(waits), response.status_code, len(response.content)


MANY = {
    "options": json.dumps({"text": "x", "input": "x", "options": {f"o{i}": 1 for i in range(10**6)}}).encode(),
    "more": json.dumps({"text": "x", "input": "x", "more": [{}] * (MEGABYTES // 4)}).encode(),
    "fields": json.dumps({f"f{i}": 1 for i in range(10**6)}).encode(),
}


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        *(("/tts", kind, 422) for kind in MANY),
        *(("/invocations", kind, 422) for kind in MANY),
        ("/v1/audio/speech", "options", 400),
        ("/v1/audio/speech", "more", 200),
        ("/v1/audio/speech", "fields", 400),
        ("/v1/tts", "options", 200),
        ("/v1/tts", "more", 200),
        ("/v1/tts", "fields", 400),
        ("/v1/invoke", "fields", 422),
    ],
)
async def test_million_values_are_refused_or_skipped_unparsed(
    gateway: InMemory, path: str, kind: str, status: int
) -> None:
    wait_s, found, size = await longest_wait_s(gateway, path, MANY[kind])
    assert found == status
    assert size < 2000 or status == 200
    assert wait_s < 1
    assert len(gateway.engine.jobs) == (status == 200)


@pytest.mark.parametrize(
    "field",
    [
        {"format": "x" * MEGABYTES},
        {"voice": "x" * MEGABYTES},
        {"engine": "x" * MEGABYTES},
        {"language": "x" * MEGABYTES},
        {"x" * MEGABYTES: 1},
        {"options": {"x" * MEGABYTES: 1}},
        {"options": {"energy": ["x" * MEGABYTES]}},
        {"reference_audio": "!" * MEGABYTES},
        {"text": {"x" * MEGABYTES: 1}},
    ],
)
async def test_error_does_not_repeat_megabytes(gateway: InMemory, field: dict[str, Any]) -> None:
    content = json.dumps({"text": "x", **field}).encode()
    wait_s, status, size = await longest_wait_s(gateway, "/tts", content)
    assert status in (404, 422)
    assert size < 2000
    assert wait_s < 2


async def test_number_of_option_values_is_limited(gateway: InMemory) -> None:
    for options in ({f"o{i}": 1 for i in range(MAX_OPTION_VALUES + 1)}, {"o": [[0] * 600, [0] * 600]}):
        response = await gateway.client.post("/tts", json={"text": "x", "options": options})
        assert response.status_code == 422
        assert response.json()["error"]["param"] == "options"


async def test_large_legitimate_bodies_are_accepted(gateway: InMemory) -> None:
    events = [{"generation": "a, " if i % 100 == 0 else ""} for i in range(20_000)]
    assert (await gateway.client.post("/tts", json={"text": events})).status_code == 200
    text = "a, " * 300
    assert (await gateway.client.post("/tts", json={"text": text})).status_code == 200


def test_long_messages_are_shortened_in_the_middle() -> None:
    error = InvalidRequest("begin " + "x" * MEGABYTES + " end", param="p" * MEGABYTES)
    assert error.message.startswith("begin xxx")
    assert error.message.endswith("xxx end")
    assert len(error.message) == 1000
    assert len(error.param or "") == 200
    assert len(ConfigError("x" * 50_000).message) == 50_000
