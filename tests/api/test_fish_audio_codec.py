"""``/v1/vqgan`` with a fake codec."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import ormsgpack
import pytest
from support.app import InMemory, in_memory
from support.classic_models import FISH

from backends.base import CodecInfo, DecodeJob, EncodeJob
from backends.errors import InvalidJob
from gateway.engine.client import EngineOutput, State
from gateway.engine.fake import FakeEngine
from gateway.errors import SynthesisFailed

CODEC = replace(FISH, codec=CodecInfo(4, 160, 1024))


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    engines = [FakeEngine(), FakeEngine("fish", capabilities=CODEC)]
    return in_memory(tmp_path, engines, fish_api={"engine": "fish"})


def conversions(gateway: InMemory) -> list[EncodeJob | DecodeJob]:
    return gateway.app.state.services.engines.get("fish").client.conversions


async def post(gateway: InMemory, route: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    headers = {"content-type": "application/msgpack", **headers}
    return await gateway.client.post(f"/v1/vqgan/{route}", content=ormsgpack.packb(body), headers=headers)


def error_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"statusCode", "message", "error"}
    return response.json()["message"]


async def test_encode_resamples_to_the_codec_rate(gateway: InMemory, clip: bytes) -> None:
    response = await post(gateway, "encode", {"audios": [clip, base64.b64encode(clip).decode()]})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/msgpack"
    frames = -(-2 * 22050 // 1024)
    assert ormsgpack.unpackb(response.content) == {"tokens": [[[0] * frames] * 4] * 2}
    for job in conversions(gateway):
        assert isinstance(job, EncodeJob)
        assert (len(job.audio), job.sample_rate_hz) == (44100, 22050)
    assert gateway.metric("voxgate_requests_total", engine="fish", outcome="ok") == 1
    assert gateway.metric("voxgate_queue_seconds_count", engine="fish") == 1


async def test_decode_returns_float16_samples(gateway: InMemory) -> None:
    tokens = [[[1, 2, 3]] * 4, [[159]] * 4]
    response = await post(gateway, "decode", {"tokens": tokens})
    assert response.headers["x-voxgate-sample-rate"] == "22050"
    audios = [np.frombuffer(audio, "<f2") for audio in ormsgpack.unpackb(response.content)["audios"]]
    assert [audio.shape for audio in audios] == [(3072,), (1024,)]
    given = [job.codes.tolist() for job in conversions(gateway) if isinstance(job, DecodeJob)]
    assert given == tokens


async def test_codec_routes_accept_and_return_json(gateway: InMemory, clip: bytes) -> None:
    body = {"audios": [base64.b64encode(clip).decode()]}
    accept = {"accept": "application/json"}
    tokens = (await gateway.client.post("/v1/vqgan/encode", json=body, headers=accept)).json()["tokens"]
    assert np.shape(tokens) == (1, 4, 44)
    response = await gateway.client.post("/v1/vqgan/decode?format=json", json={"tokens": tokens})
    (audio,) = response.json()["audios"]
    assert len(base64.b64decode(audio)) == 44 * 1024 * 2


@pytest.mark.parametrize(
    ("route", "body", "status", "message"),
    [
        ("encode", {}, 422, "audios: required, a list"),
        ("encode", {"audios": []}, 422, "audios: has 0 items"),
        ("encode", {"audios": [b""] * 65}, 422, "audios: has 65 items"),
        ("encode", {"audios": [3]}, 422, "audios.0: "),
        ("encode", {"audios": ["!"]}, 422, "audios.0: "),
        ("encode", {"audios": [b"no sound"]}, 415, "audios.0: "),
        ("decode", {"tokens": "abc"}, 422, "tokens: required, a list"),
        ("decode", {"tokens": []}, 422, "tokens: has 0 items"),
        ("decode", {"tokens": [[]]}, 422, "tokens.0: "),
        ("decode", {"tokens": [[[1, 2], [1]]]}, 422, "tokens.0: "),
        ("decode", {"tokens": [[[1], [1], [1], ["1"]]]}, 422, "tokens.0: "),
        ("decode", {"tokens": [[[1], [1], [1], [True]]]}, 422, "tokens.0: "),
        ("decode", {"tokens": [[[1], [1], [1], [-1]]]}, 422, "tokens.0: "),
        ("decode", {"tokens": [[[1], [1], [1], [2**31]]]}, 422, "tokens.0: "),
        ("decode", {"tokens": [[[0] * 1300] * 4] * 2}, 422, "tokens: the audio would be too long"),
        ("decode", {"tokens": [[[0] * 33000] * 4]}, 422, "tokens: the audio would be too long"),
        ("decode", {"tokens": [[[0] * 300_000] * 4]}, 422, "tokens: has 1200021 bytes: the limit is 1048576"),
        ("decode", {"tokens": [[[1]]] * 101}, 422, "tokens: must be a list: Expected `array` of at most length 100"),
    ],
)
async def test_invalid_field_is_named(
    gateway: InMemory, route: str, body: dict[str, Any], status: int, message: str
) -> None:
    assert error_of(await post(gateway, route, body), status).startswith(message)
    assert not conversions(gateway)


async def test_total_duration_of_recordings_is_limited(gateway: InMemory, clip: bytes) -> None:
    message = error_of(await post(gateway, "encode", {"audios": [clip] * 61}), 422)
    assert message == "audios: the recordings are too long: the limit is 120 s in total"


async def test_engine_without_a_codec_is_refused(gateway: InMemory, clip: bytes) -> None:
    message = error_of(await post(gateway, "encode", {"audios": [clip]}, model="fake"), 422)
    assert message == "model: engine 'fake' has no codec"
    assert error_of(await post(gateway, "decode", {"tokens": [[[1]] * 4]}, model="nobody"), 404).startswith("model: ")
    with pytest.raises(InvalidJob):
        gateway.engine.convert(DecodeJob("a", np.zeros((4, 1), np.int64)))


class RefusingEngine(FakeEngine):
    """Refuse every conversion with a given error."""

    def __init__(self, reason: Exception | None):
        super().__init__(capabilities=CODEC)
        self.reason = reason

    async def convert(self, job: EncodeJob | DecodeJob) -> AsyncGenerator[EngineOutput, None]:  # type: ignore[override]
        if self.reason is None:
            await asyncio.Event().wait()
        if not isinstance(self.reason, StopAsyncIteration):
            raise self.reason  # type: ignore[misc]
        return
        yield


@pytest.mark.parametrize(
    ("reason", "status", "message"),
    [
        (InvalidJob("too odd", param="codes"), 422, "tokens.0: too odd"),
        (SynthesisFailed("it died"), 500, "it died"),
        (StopAsyncIteration(), 500, "the engine returned no audio for the codes"),
        (None, 504, "not finished within 0.2 s"),
    ],
)
async def test_engine_refusal_names_the_field(
    tmp_path: Path, reason: Exception | None, status: int, message: str
) -> None:
    gateway = in_memory(tmp_path, [RefusingEngine(reason)], limits={"deadline_s": 0.2})
    assert error_of(await post(gateway, "decode", {"tokens": [[[1]] * 4]}), status) == message
    assert gateway.app.state.services.engines.get("fake").admission.active == 0


async def test_full_queue_is_429_and_unloaded_engine_is_503(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path / "a", [RefusingEngine(None)], limits={"deadline_s": 0.5}, max_active=1, max_queue=0)
    body = {"tokens": [[[1]] * 4]}
    first = asyncio.create_task(post(gateway, "decode", body))
    await asyncio.sleep(0.1)
    refused = await post(gateway, "decode", body)
    assert refused.headers["retry-after"]
    error_of(refused, 429)
    error_of(await first, 504)
    unloaded = in_memory(tmp_path / "b", [FakeEngine(capabilities=CODEC, state=State.UNLOADED)])
    error_of(await post(unloaded, "decode", body), 503)
    assert unloaded.engine.state is State.LOADING
