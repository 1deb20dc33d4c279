"""``/v1/tts`` of the Fish Audio API, in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
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
from support.gateway_process import read_audio

from backends.base import AudioChunk, Job
from gateway.audio.decode import decode
from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine
from gateway.errors import SynthesisFailed

MSGPACK = {"content-type": "application/msgpack"}
# The body of fish_audio_sdk 1.3.0 for TTSRequest(text="hello"), except the format.
SDK_BODY = {
    "text": "hello",
    "chunk_length": 200,
    "format": "wav",
    "sample_rate": None,
    "mp3_bitrate": 128,
    "opus_bitrate": 32,
    "references": [],
    "reference_id": None,
    "normalize": True,
    "latency": "balanced",
    "prosody": None,
    "top_p": 0.7,
    "temperature": 0.7,
}


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine(), FakeEngine("fish", capabilities=FISH)])


async def speak(gateway: InMemory, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await gateway.client.post("/v1/tts", content=ormsgpack.packb(body), headers={**MSGPACK, **headers})


async def error_of(gateway: InMemory, status: int, body: dict[str, Any], **headers: str) -> str:
    response = await speak(gateway, body, **headers)
    assert response.status_code == status, response.text
    assert set(response.json()) == {"status", "message"}
    assert response.json()["status"] == status
    return response.json()["message"]


def job_of(gateway: InMemory, engine: str = "fake") -> Job:
    return gateway.app.state.services.engines.get(engine).client.jobs[-1]


async def test_sdk_request_uses_the_default_engine(gateway: InMemory) -> None:
    response = await speak(gateway, SDK_BODY, model="s1")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["x-voxgate-engine"] == "fake"
    assert response.headers["x-voxgate-duration"] == "0.200"
    assert response.headers["x-voxgate-ignored"] == "chunk_length, top_p, temperature"
    samples, rate = read_audio(response.content)
    assert (len(samples), rate) == (4800, 24000)
    assert job_of(gateway).options == {}


async def test_every_field_reaches_the_fish_engine(gateway: InMemory, clip: bytes) -> None:
    body = {
        **SDK_BODY,
        "references": [{"audio": clip, "text": "what is said"}],
        "prosody": {"speed": 1.5, "volume": 0.0},
        "chunk_length": 150,
        "top_p": 0,
        "temperature": 0.5,
        "repetition_penalty": 1.3,
        "max_new_tokens": 9999,
        "seed": -1,
    }
    response = await speak(gateway, body, model="fish")
    assert response.status_code == 200, response.text
    assert "x-voxgate-ignored" not in response.headers
    job = job_of(gateway, "fish")
    assert (job.text, job.speed, job.seed) == ("hello", 1.5, 2**32 - 1)
    assert job.options == {
        "chunk_length": 150,
        "top_p": 1e-6,
        "temperature": 0.5,
        "repetition_penalty": 1.3,
        "max_new_tokens": 4096,
    }
    assert job.reference is not None
    assert (job.reference.text, len(job.reference.audio)) == ("what is said", 32000)


async def test_json_and_forms_are_equivalent(gateway: InMemory, clip: bytes) -> None:
    encoded = base64.b64encode(clip).decode()
    prosody = {"speed": 2.0, "volume": -6.0}
    as_json = {"text": "hello", "seed": 7, "prosody": prosody, "references": [{"audio": encoded, "text": "said"}]}
    fields = {"text": "hello", "seed": "7", "prosody": json.dumps(prosody), "temperature": ""}
    form = {**fields, "reference_text": "said"}
    answers = [
        await gateway.client.post("/v1/tts", json=as_json),
        await speak(gateway, as_json),
        await gateway.client.post("/v1/tts", data=form, files={"references": ("a.wav", clip)}),
        await gateway.client.post("/v1/tts", data={**fields, "references": json.dumps(as_json["references"])}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4, answers[-1].text
    assert len({answer.content for answer in answers}) == 1
    for job in gateway.engine.jobs:
        assert job.reference is not None
        assert (job.reference.text, job.speed, job.seed) == ("said", 2.0, 7)


async def test_volume_is_in_decibels(gateway: InMemory) -> None:
    levels = {}
    for volume in (-20.0, 0.0, 20.0):
        body = {"text": "x", "seed": 1, "format": "wav", "prosody": {"volume": volume}}
        samples, _ = read_audio((await speak(gateway, body)).content)
        levels[volume] = samples
    np.testing.assert_allclose(levels[-20.0], levels[0.0] / 10, atol=1e-4)
    assert np.abs(levels[20.0]).max() == pytest.approx(1.0, abs=1e-4)  # clipped


@pytest.mark.parametrize("format_", ["wav", "pcm", "mp3", "opus", "flac", "aac"])
async def test_every_format_works_streamed_and_complete(tmp_path: Path, format_: str) -> None:
    async def a_second(job: Job) -> AsyncGenerator[AudioChunk, None]:
        for _ in range(10):
            yield AudioChunk(job.id, np.sin(np.arange(2400) / 20).astype(np.float32) / 2)

    gateway = in_memory(tmp_path, [FakeEngine(script=a_second)])
    whole = await speak(gateway, {"text": "x", "format": format_, "streaming": False})
    streamed = await speak(gateway, {"text": "x", "format": format_, "streaming": True})
    assert (whole.status_code, streamed.status_code) == (200, 200)
    assert "content-length" in whole.headers
    assert "content-length" not in streamed.headers
    for response in (whole, streamed):
        if format_ == "pcm":
            assert response.headers["content-type"] == "audio/pcm;rate=24000;channels=1"
            assert len(response.content) == 48000
        else:
            assert decode(response.content, min_s=0, max_s=9).duration_s == pytest.approx(1.0, abs=0.1)


async def test_bit_rates_are_applied(tmp_path: Path) -> None:
    async def noise(job: Job) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(job.id, np.random.default_rng(1).uniform(-0.5, 0.5, 96000).astype(np.float32))

    gateway = in_memory(tmp_path, [FakeEngine(script=noise)])
    sizes = {}
    for format_, kbps in (("mp3", 64), ("mp3", 128), ("opus", 24), ("opus", 48), ("opus", 64)):
        body = {"text": "x", "format": format_, f"{format_}_bitrate": kbps, "streaming": False}
        sizes[format_, kbps] = len((await speak(gateway, body)).content) * 8 / 4 / 1000
    for (_, kbps), measured in sizes.items():
        assert measured == pytest.approx(kbps, rel=0.12)
    default = {"text": "x", "format": "opus", "streaming": False}
    automatic = (await speak(gateway, {**default, "opus_bitrate": -1000})).content
    assert automatic == (await speak(gateway, default)).content


async def test_audio_is_sent_while_it_is_generated(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def slow(job: Job) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(job.id, np.zeros(24000, np.float32))
        await go_on.wait()
        yield AudioChunk(job.id, np.zeros(2400, np.float32))

    gateway = in_memory(tmp_path, [FakeEngine(script=slow)])
    sent: list[int] = []

    async def send(message: Any) -> None:
        sent.append(len(message.get("body", b"")))
        if sent[-1]:
            go_on.set()

    body = ormsgpack.packb({"text": "x", "format": "pcm"})
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.Event().wait()

    headers = [(b"content-type", b"application/msgpack"), (b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/v1/tts", "query_string": b"", "headers": headers}
    async with asyncio.timeout(10):
        await gateway.app({**scope, "server": ("gateway", 80), "http_version": "1.1"}, receive, send)
    assert [size for size in sent if size] == [48000, 4800]


async def test_failure_before_the_first_byte_has_an_error_status(tmp_path: Path) -> None:
    async def broken(job: Job) -> AsyncGenerator[AudioChunk, None]:
        raise SynthesisFailed("it broke")
        yield

    gateway = in_memory(tmp_path, [FakeEngine(script=broken)])
    assert await error_of(gateway, 500, {"text": "x", "format": "mp3"}) == "it broke"


@pytest.mark.parametrize(
    ("fields", "hurried"),
    [
        ({"format": "mp3"}, True),
        ({"format": "mp3", "latency": "normal"}, False),
        ({"format": "mp3", "streaming": False}, False),
        ({"format": "wav"}, False),
        ({"format": "wav", "streaming": True, "latency": "low"}, True),
    ],
)
async def test_normal_latency_disables_early_start(gateway: InMemory, fields: dict[str, Any], hurried: bool) -> None:
    assert (await speak(gateway, {"text": "x", **fields})).status_code == 200
    assert gateway.engine.jobs[-1].stream is hurried


async def test_ignored_fields_are_reported(gateway: InMemory, clip: bytes) -> None:
    body = {
        "text": "x",
        "normalize": False,
        "use_memory_cache": "on",
        "min_chunk_length": 50,
        "condition_on_previous_chunks": True,
        "early_stop_threshold": 1.0,
        "top_p": 0.7,
        "prosody": {"speed": 1.0, "loudness": 3},
        "references": [{"audio": clip, "text": "a"}],
    }
    response = await speak(gateway, body)
    assert response.status_code == 200, response.text
    names = response.headers["x-voxgate-ignored"].split(", ")
    assert names == [
        "use_memory_cache",
        "min_chunk_length",
        "condition_on_previous_chunks",
        "early_stop_threshold",
        "prosody.loudness",
        "top_p",
    ]
    assert job_of(gateway).reference.text == "a"  # type: ignore[union-attr]


async def test_reference_id_is_a_stored_voice_a_built_in_voice_or_an_alias(gateway: InMemory, clip: bytes) -> None:
    files = {"audio": ("a.wav", clip)}
    stored = await gateway.client.post("/v1/voices", data={"name": "Mine", "transcript": "said"}, files=files)
    for given in ("Mine", stored.json()["id"], ["Mine"]):
        response = await speak(gateway, {"text": "x", "reference_id": given})
        assert response.headers["x-voxgate-voice"] == "Mine"
        assert job_of(gateway).reference.text == "said"  # type: ignore[union-attr]
    assert (await speak(gateway, {"text": "x", "reference_id": "grace"})).headers["x-voxgate-voice"] == "grace"
    assert (await speak(gateway, {"text": "x", "reference_id": []})).headers["x-voxgate-voice"] == "ada"


async def test_recording_that_would_not_be_used_is_an_error(gateway: InMemory, clip: bytes) -> None:
    one = {"audio": clip, "text": "a"}
    both = await error_of(gateway, 422, {"text": "x", "reference_id": "grace", "references": [one]})
    assert both == "references: cannot be combined with reference_id: send one of them"
    several = await error_of(gateway, 422, {"text": "x", "references": [one, one]})
    assert several == "references.1: several recordings are not supported: send one"
    unknown = await error_of(gateway, 422, {"text": "x", "reference_audio": clip})
    assert unknown.startswith("reference_audio: a recording in this field would not be used")
    assert not gateway.engine.jobs


@pytest.mark.parametrize(
    ("fields", "headers", "status", "param"),
    [
        ({"text": ""}, {}, 422, "text"),
        ({"text": "x" * 1001}, {}, 422, "text"),
        ({"format": "wma"}, {}, 422, "format"),
        ({"format": "mp3", "sample_rate": 7}, {}, 422, "sample_rate"),
        ({"format": "opus", "opus_bitrate": 3}, {}, 422, "opus_bitrate"),
        ({"mp3_bitrate": 1000}, {}, 422, "mp3_bitrate"),
        ({"prosody": {"speed": 9}}, {}, 422, "prosody.speed"),
        ({"prosody": {"volume": float("nan")}}, {}, 422, "prosody.volume"),
        ({"prosody": 3}, {}, 422, "prosody"),
        ({"latency": "soon"}, {}, 422, "latency"),
        ({"reference_id": "nobody"}, {}, 404, "reference_id"),
        ({"reference_id": ["ada", "grace"]}, {}, 422, "reference_id"),
        ({"references": [{"text": "no audio"}]}, {}, 422, "references.0.audio"),
        ({"references": [{"audio": b"no sound", "text": ""}]}, {}, 415, "references.0.audio"),
        ({"references": [{"audio": "!!", "text": ""}]}, {}, 422, "references.audio"),
        ({"references": [{"audio": b"", "text": ""}] * 17}, {}, 422, "references"),
        ({"temperature": 3}, {"model": "fish"}, 422, "temperature"),
        ({"repetition_penalty": 2.5}, {"model": "fish"}, 422, "repetition_penalty"),
        ({"seed": 2**64}, {}, 422, "seed"),
        ({}, {"model": "nothing"}, 404, "model"),
    ],
)
async def test_invalid_field_is_named(
    gateway: InMemory, fields: dict[str, Any], headers: dict[str, str], status: int, param: str
) -> None:
    if fields.get("seed") == 2**64:  # MessagePack cannot represent it
        response = await gateway.client.post("/v1/tts", json={"text": "x", **fields})
        assert (response.status_code, response.json()["message"].split(":")[0]) == (422, "seed")
        return
    assert (await error_of(gateway, status, {"text": "x", **fields}, **headers)).startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"\xc1", "application/msgpack", 400),
        (b"", "application/msgpack", 400),
        (ormsgpack.packb([1]), "application/msgpack", 400),
        (ormsgpack.packb({"text": "x"}) + b"\0", "application/msgpack", 400),
        (b"\xdf\xff\xff\xff\xff", "application/msgpack", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"text", "text/plain", 415),
        (b"text", "multipart/form-data", 400),
    ],
)
async def test_malformed_bodies_are_400(gateway: InMemory, content: bytes, kind: str, status: int) -> None:
    response = await gateway.client.post("/v1/tts", content=content, headers={"content-type": kind})
    assert response.status_code == status, response.text
    assert response.json()["status"] == status


async def test_inconsistent_forms_are_refused(gateway: InMemory) -> None:
    for data, param in (
        ({"text": ["a", "b"]}, "text"),
        ({"text": "a", "prosody": "fast"}, "prosody"),
        ({"text": "a", "reference_text": "of what?"}, "reference_text"),
    ):
        response = await gateway.client.post("/v1/tts", data=data)
        assert response.status_code == 422
        assert response.json()["message"].startswith(param + ": ")


async def test_unloaded_engine_starts_loading_and_is_503(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(state=State.UNLOADED)])
    response = await speak(gateway, {"text": "x"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert gateway.engine.state is State.LOADING


async def test_reference_for_an_engine_without_cloning_is_refused(tmp_path: Path, clip: bytes) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(capabilities=replace(FAKE_CAPABILITIES, cloning="none"))])
    message = await error_of(gateway, 422, {"text": "x", "references": [{"audio": clip, "text": ""}]})
    assert message.startswith("references.0.audio: engine 'fake' cannot clone")


async def test_disconnect_aborts_the_job(tmp_path: Path) -> None:
    started = asyncio.Event()

    async def endless(job: Job) -> AsyncGenerator[AudioChunk, None]:
        started.set()
        await asyncio.Event().wait()
        yield AudioChunk(job.id, np.zeros(1, np.float32))

    gateway = in_memory(tmp_path, [FakeEngine(script=endless)])
    request = asyncio.create_task(speak(gateway, {"text": "x", "format": "mp3"}))
    await started.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    async with asyncio.timeout(5):
        while not gateway.engine.aborted:
            await asyncio.sleep(0.01)


async def test_health_and_unsupported_routes(gateway: InMemory) -> None:
    for method in ("GET", "POST"):
        assert (await gateway.client.request(method, "/v1/health")).json() == {"status": "ok"}
    for method, path in (("POST", "/v1/asr"), ("GET", "/wallet/self/api-credit"), ("GET", "/wallet/self/package")):
        response = await gateway.client.request(method, path)
        assert response.status_code == 404
        assert set(response.json()) == {"status", "message"}


async def test_aliases_select_engines_and_voices(tmp_path: Path) -> None:
    aliases = {"models": {"s2-pro": "fish"}, "voices": {"802e3bc2b27e49c2995d23ef70e6ac89": {"fish": "grace"}}}
    gateway = in_memory(tmp_path, [FakeEngine(), FakeEngine("fish", capabilities=FISH)], aliases=aliases)
    body = {"text": "x", "reference_id": "802e3bc2b27e49c2995d23ef70e6ac89"}
    response = await speak(gateway, body, model="s2-pro")
    assert (response.headers["x-voxgate-engine"], response.headers["x-voxgate-voice"]) == ("fish", "grace")
    assert (await speak(gateway, {"text": "x"}, model="speech-1.5")).headers["x-voxgate-engine"] == "fake"
    response = await speak(gateway, body, model="s1")
    assert (response.headers["x-voxgate-voice"], response.headers["x-voxgate-ignored"]) == ("ada", "reference_id")


async def test_missing_key_has_this_apis_envelope(tmp_path: Path) -> None:
    keys = {"tester": {"sha256": hashlib.sha256(b"secret").hexdigest()}}
    gateway = in_memory(tmp_path, settings={"access": {"keys": keys}})
    await error_of(gateway, 401, {"text": "x"})
    await error_of(gateway, 401, {"text": "x"}, authorization="Bearer wrong")
    assert (await speak(gateway, {"text": "x"}, authorization="Bearer secret")).status_code == 200
    assert (await gateway.client.get("/model")).json()["status"] == 401
    assert (await gateway.client.get("/v1/references/list")).json()["success"] is False


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [450, 900, 5000])
async def test_deeply_nested_body_is_not_an_internal_error(
    gateway: InMemory, opening: str, closing: str, depth: int
) -> None:
    deep = opening * depth + "1" + closing * depth
    headers = {"content-type": "application/json"}
    for path, field in (("/v1/tts", "tokens"), ("/v1/tts", "prosody"), ("/v1/tts", "references"), ("/v1/invoke", "x")):
        body = f'{{"text": "x", "{field}": {deep}}}'
        response = await gateway.client.post(path, content=body, headers=headers)
        assert response.status_code < 500 or path == "/v1/invoke", response.text
        assert "internal error" not in response.text
    native = await gateway.client.post("/tts", content=f'{{"text": "x", "options": {{"a": {deep}}}}}', headers=headers)
    assert native.status_code == 422
