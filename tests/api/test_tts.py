from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.app import InMemory, in_memory
from support.gateway_process import read_audio

from backends.base import AudioChunk, Job
from backends.errors import InvalidJob
from gateway.audio.formats import FORMATS
from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine
from gateway.errors import SynthesisFailed
from gateway.service.request import SpeechRequest


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


async def error_of(gateway: InMemory, status: int, **body: Any) -> dict[str, Any]:
    response = await gateway.client.post("/tts", json={"text": "hello", **body})
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"type", "message", "param", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"]
    assert gateway.metric("voxgate_errors_total", type=error["type"]) >= 1
    return error


async def test_response_is_wav_with_descriptive_headers(gateway: InMemory) -> None:
    response = await gateway.client.post("/tts", json={"text": "hello"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "audio/wav"
    samples, rate = read_audio(response.content)
    assert (len(samples), rate) == (4800, 24000)
    headers = response.headers
    assert headers["x-voxgate-engine"] == "fake"
    assert headers["x-voxgate-model"] == "fake-1"
    assert headers["x-voxgate-voice"] == "ada"
    assert headers["x-voxgate-duration"] == "0.200"
    assert headers["x-request-id"]
    assert gateway.engine.jobs[0].seed == int(headers["x-voxgate-seed"])
    assert gateway.metric("voxgate_requests_total", engine="fake", outcome="ok") == 1
    assert gateway.metric("voxgate_audio_seconds_total", engine="fake") == pytest.approx(0.2)


async def test_every_field_reaches_the_engine(gateway: InMemory, clip: bytes) -> None:
    body = {
        "text": "hello",
        "engine": "fake",
        "reference_audio": base64.b64encode(clip).decode(),
        "reference_text": " what is said ",
        "language": "en-GB",
        "speed": 1.5,
        "seed": 7,
        "stream": True,
        "options": {"depth": 5},
    }
    assert (await gateway.client.post("/tts", json=body)).status_code == 200
    (job,) = gateway.engine.jobs
    assert (job.text, job.language, job.speed, job.seed, job.stream) == ("hello", "en-GB", 1.5, 7, True)
    assert job.options == {"depth": 5}
    assert job.voice is None
    assert job.reference is not None
    assert (job.reference.text, job.reference.sample_rate_hz, len(job.reference.audio)) == (
        "what is said",
        16000,
        32000,
    )


async def test_scalar_fields_are_accepted_in_the_query(gateway: InMemory) -> None:
    url = "/tts?engine=fake&voice=grace&speed=0.5&seed=3&format=flac&sample_rate=16000&text=from%20the%20query"
    response = await gateway.client.post(url)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "audio/flac"
    samples, rate = read_audio(response.content)
    assert (len(samples), rate) == (3200, 16000)
    (job,) = gateway.engine.jobs
    assert (job.text, job.voice, job.speed, job.seed) == ("from the query", "grace", 0.5, 3)


async def test_volume_and_bit_rate_are_applied(gateway: InMemory) -> None:
    body = {"text": "x", "seed": 1}
    plain, _ = read_audio((await gateway.client.post("/tts", json=body)).content)
    quiet, _ = read_audio((await gateway.client.post("/tts?volume=-20", json=body)).content)
    np.testing.assert_allclose(quiet, plain / 10, atol=1e-4)
    streamed = await gateway.client.post("/tts", json={**body, "volume": -20, "stream": True, "format": "pcm"})
    np.testing.assert_allclose(np.frombuffer(streamed.content, "<i2") / 32768, quiet, atol=1e-4)
    sizes = [
        len((await gateway.client.post("/tts", json={**body, "format": "mp3", "bitrate": kbps})).content)
        for kbps in (32, 64)
    ]
    assert sizes[1] == pytest.approx(2 * sizes[0], rel=0.2)
    for wrong in ({"volume": 21}, {"bitrate": 5}, {"bitrate": 64}, {"format": "opus", "bitrate": 300}):
        error = await error_of(gateway, 422, **wrong)
        assert error["param"] == next(name for name in ("volume", "bitrate") if name in wrong)


async def test_field_given_twice_is_refused(gateway: InMemory) -> None:
    for body in ({"text": "x", "voice": "ada"}, {"text": "x", "voice": "grace"}):
        twice = await gateway.client.post("/tts?voice=ada", json=body)
        assert (twice.status_code, twice.json()["error"]["param"]) == (422, "voice")
    repeated = await gateway.client.post("/tts?voice=ada&voice=ada", json={"text": "x"})
    assert (repeated.status_code, repeated.json()["error"]["param"]) == (422, "voice")
    for misplaced in ("options=%7B%7D", "reference_audio=AAAA"):
        response = await gateway.client.post(f"/tts?{misplaced}", json={"text": "x"})
        assert response.status_code == 422


async def test_null_means_absent(gateway: InMemory) -> None:
    nulls = dict.fromkeys(("engine", "voice", "speed", "seed", "format", "sample_rate", "stream", "options"))
    assert (await gateway.client.post("/tts", json={"text": "x", **nulls})).status_code == 200


async def test_form_upload_equals_json_with_base64(gateway: InMemory, clip: bytes) -> None:
    form = {"text": "hello", "seed": "7", "options": json.dumps({"depth": 2}), "reference_text": "hm"}
    by_form = await gateway.client.post("/tts", data=form, files={"reference_audio": ("a.wav", clip)})
    assert by_form.status_code == 200, by_form.text
    url = "data:audio/wav;base64," + base64.b64encode(clip).decode()
    body = {"text": "hello", "seed": 7, "options": {"depth": 2}, "reference_text": "hm", "reference_audio": url}
    by_json = await gateway.client.post("/tts", json=body)
    assert by_form.content == by_json.content
    first, second = gateway.engine.jobs
    assert first.reference is not None
    assert second.reference is not None
    assert first.reference.digest == second.reference.digest
    assert first.options == second.options == {"depth": 2}


async def test_equal_seeds_give_equal_bytes(gateway: InMemory) -> None:
    same = [(await gateway.client.post("/tts", json={"text": "x", "seed": 5})).content for _ in range(2)]
    assert same[0] == same[1]
    drawn = [(await gateway.client.post("/tts", json={"text": "x"})).content for _ in range(2)]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("fmt", FORMATS)
async def test_response_wrapped_in_json(gateway: InMemory, fmt: str) -> None:
    response = await gateway.client.post("/tts", json={"text": "x", "response": "base64", "format": fmt, "seed": 1})
    answer = response.json()
    described = {"engine", "model", "voice", "seed", "spoken_text"}
    assert set(answer) == {"audio", "format", "sample_rate", "duration_s", *described}
    assert answer["spoken_text"] == "x"
    assert (answer["format"], answer["duration_s"], answer["engine"]) == (fmt, 0.2, "fake")
    plain = await gateway.client.post("/tts", json={"text": "x", "format": fmt, "seed": 1})
    assert base64.b64decode(answer["audio"]) == plain.content


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n "}, "text"),
        ({"text": "x" * 5001}, "text"),
        ({"text": 5}, "text"),
        ({"speed": 0.2}, "speed"),
        ({"speed": 4.1}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"speed": True}, "speed"),
        ({"speed": "1"}, "speed"),
        ({"seed": True}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"options": {"depth": 10**30}}, "options"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"format": "midi"}, "format"),
        ({"format": "opus", "sample_rate": 22050}, "sample_rate"),
        ({"sample_rate": 1}, "sample_rate"),
        ({"response": "xml"}, "response"),
        ({"response": "base64", "stream": True}, "response"),
        ({"language": "english please"}, "language"),
        ({"language": "zh"}, "language"),
        ({"reference_audio": "!!!"}, "reference_audio"),
        ({"reference_text": "of nothing"}, "reference_text"),
        ({"options": {"dept": 1}}, "options.dept"),
        ({"options": {"depth": 10}}, "options.depth"),
        ({"options": {"depth": "3"}}, "options.depth"),
        ({"options": []}, "options"),
        ({"txet": "typo"}, "txet"),
    ],
)
async def test_invalid_field_is_named(gateway: InMemory, body: dict[str, Any], param: str) -> None:
    error = await error_of(gateway, 422, **body)
    assert error["param"] == param
    assert error["type"] == "invalid_request"
    assert error["message"]
    assert not gateway.engine.jobs, "nothing was spoken"


async def test_unknown_field_error_lists_the_fields(gateway: InMemory) -> None:
    error = await error_of(gateway, 422, txet="typo")
    assert all(name in error["message"] for name in ("text", "engine, voice"))


async def test_text_limit_is_a_setting(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, limits={"text_chars": 3})
    error = await error_of(gateway, 422, text="four")
    assert "limit is 3" in error["message"]
    assert (await gateway.client.post("/tts", json={"text": "abc"})).status_code == 200


async def test_invalid_reference_audio_is_refused(gateway: InMemory) -> None:
    error = await error_of(gateway, 415, reference_audio=base64.b64encode(b"not audio" * 100).decode())
    assert error["param"] == "reference_audio"


async def test_voice_and_reference_audio_are_exclusive(gateway: InMemory, clip: bytes) -> None:
    error = await error_of(gateway, 422, voice="ada", reference_audio=base64.b64encode(clip).decode())
    assert error["param"] == "voice"


async def test_unknown_engine_and_voice_errors_list_the_known_ones(gateway: InMemory) -> None:
    error = await error_of(gateway, 404, engine="tuba")
    assert (error["type"], error["param"]) == ("engine_not_found", "engine")
    assert "fake" in error["message"]
    error = await error_of(gateway, 404, voice="linus")
    assert (error["type"], error["param"]) == ("voice_not_found", "voice")
    assert "ada, grace" in error["message"]


def capable(**changes: Any) -> Any:
    from dataclasses import replace

    return replace(FAKE_CAPABILITIES, **changes)


async def test_unsupported_request_names_engines_that_support_it(tmp_path: Path, clip: bytes) -> None:
    async def refuse(job: Job) -> AsyncGenerator[AudioChunk, None]:
        raise InvalidJob("cannot speak '你'", param="text", needs_languages=("zh", "ja"))
        yield

    mono = FakeEngine("mono", refuse, capabilities=capable(cloning="none"))
    poly = FakeEngine("poly", capabilities=capable(languages=("en", "zh")))
    asleep = FakeEngine("asleep", capabilities=capable(languages=("zh",)), state=State.UNLOADED)
    gateway = in_memory(tmp_path, [mono, poly, asleep])
    error = await error_of(gateway, 422, text="你好")
    assert error["param"] == "text"
    assert error["message"] == "cannot speak '你'; engines that can: poly"
    error = await error_of(gateway, 422, language="zh-CN")
    assert error["message"].endswith("engines that can: poly")
    error = await error_of(gateway, 422, reference_audio=base64.b64encode(clip).decode())
    assert error["message"] == "engine 'mono' cannot clone voices; engines that can: poly"


async def test_unsupported_language_names_what_supports_it(tmp_path: Path) -> None:
    sleepers = [FakeEngine(name, state=State.UNLOADED) for name in ("any", "english", "chinese")]
    gateway = in_memory(tmp_path, [FakeEngine("mono"), *sleepers])
    settings = gateway.app.state.services.settings.engines
    settings["english"].model["languages"], settings["chinese"].model["languages"] = ["en"], ["zh"]
    assert (await error_of(gateway, 422, language="zh"))["message"].endswith(
        "; engines that may, once loaded: any, chinese"
    )
    settings["any"].model["languages"] = settings["chinese"].model["languages"] = ["en"]
    assert (await error_of(gateway, 422, language="zh"))["message"] == (
        "engine 'mono' does not support zh, only en; no configured engine supports zh: `voxgate serve --config "
        "configs/official.yaml` serves engines that do; their weights are not for commercial use"
    )
    assert (await error_of(gateway, 422, language="th"))["message"].endswith("; no configured engine supports th")


@pytest.mark.parametrize(("cloning", "header"), [("approximate", "approximate"), ("optional", None)])
async def test_header_tells_that_a_reference_is_followed_only_roughly(
    tmp_path: Path, clip: bytes, cloning: str, header: str | None
) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(capabilities=capable(cloning=cloning))])
    reference = {"reference_audio": base64.b64encode(clip).decode(), "reference_text": "some words"}
    await gateway.client.post("/v1/voices", data={"name": "ann", "transcript": "some words"}, files={"audio": clip})
    for fields in (reference, {**reference, "stream": True}, {**reference, "response": "base64"}, {"voice": "ann"}):
        response = await gateway.client.post("/tts", json={"text": "hi", **fields})
        assert (response.status_code, response.headers.get("x-voxgate-cloning")) == (200, header)
    built_in = await gateway.client.post("/tts", json={"text": "hi"})
    assert "x-voxgate-cloning" not in built_in.headers
    engine = (await gateway.client.get("/v1/engines/fake")).json()
    assert engine["cloning"] == cloning


async def test_unloaded_engine_is_503_with_retry_after(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(state=State.UNLOADED)])
    response = await gateway.client.post("/tts", json={"text": "x"})
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["error"]["type"] == "engine_unavailable"
    assert gateway.engine.state is State.LOADING, "the request started loading"


def pausing(gate: asyncio.Event, chunks_first: int = 0) -> Any:
    async def script(job: Job) -> AsyncGenerator[AudioChunk, None]:
        for _ in range(chunks_first):
            yield AudioChunk(job.id, np.zeros(2400, np.float32))
        await gate.wait()
        yield AudioChunk(job.id, np.zeros(2400, np.float32))

    return script


async def test_full_queue_is_429_with_retry_after(tmp_path: Path) -> None:
    gate = asyncio.Event()
    gateway = in_memory(tmp_path, [FakeEngine(script=pausing(gate))], max_active=1, max_queue=1)
    waiting = [asyncio.create_task(gateway.client.post("/tts", json={"text": "x"})) for _ in range(2)]
    await asyncio.sleep(0.1)
    response = await gateway.client.post("/tts", json={"text": "x"})
    assert response.status_code == 429
    assert response.json()["error"]["type"] == "queue_full"
    assert int(response.headers["retry-after"]) >= 1
    gate.set()
    assert [(await task).status_code for task in waiting] == [200, 200]


async def test_missed_deadline_is_504_and_aborts_the_job(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(script=pausing(asyncio.Event()))], limits={"deadline_s": 0.1})
    error = await error_of(gateway, 504)
    assert error["type"] == "deadline_exceeded"
    assert gateway.engine.aborted == [job.id for job in gateway.engine.jobs]
    assert gateway.metric("voxgate_requests_total", engine="fake", outcome="deadline_exceeded") == 1


async def test_queue_time_counts_toward_the_deadline(tmp_path: Path) -> None:
    gate = asyncio.Event()
    gateway = in_memory(tmp_path, [FakeEngine(script=pausing(gate))], max_active=1, limits={"deadline_s": 0.2})
    first = asyncio.create_task(gateway.client.post("/tts", json={"text": "x"}))
    await asyncio.sleep(0.05)
    began_at = time.monotonic()
    assert (await gateway.client.post("/tts", json={"text": "x"})).status_code == 504
    assert time.monotonic() - began_at < 0.3, "0.15 s in the queue and 0.05 s in the engine"
    assert (await first).status_code == 504


@pytest.mark.parametrize("stream", [True, False])
async def test_failure_before_the_first_audio_has_an_error_status(tmp_path: Path, stream: bool) -> None:
    async def fail(job: Job) -> AsyncGenerator[AudioChunk, None]:
        raise SynthesisFailed("no luck")
        yield

    gateway = in_memory(tmp_path, [FakeEngine(script=fail)])
    assert (await error_of(gateway, 500, stream=stream))["message"] == "no luck"


async def test_job_without_audio_is_a_failure(tmp_path: Path) -> None:
    async def silence(job: Job) -> AsyncGenerator[AudioChunk, None]:
        return
        yield

    gateway = in_memory(tmp_path, [FakeEngine(script=silence)])
    assert "without generating audio" in (await error_of(gateway, 500))["message"]


async def test_unexpected_error_is_500_without_details(tmp_path: Path) -> None:
    async def bug(job: Job) -> AsyncGenerator[AudioChunk, None]:
        raise ZeroDivisionError("secret")
        yield

    gateway = in_memory(tmp_path, [FakeEngine(script=bug)])
    error = await error_of(gateway, 500)
    assert error["type"] == "internal_error"
    assert "secret" not in error["message"]


async def test_stream_has_the_same_audio_as_a_file(gateway: InMemory) -> None:
    body = {"text": "x", "seed": 1, "format": "pcm"}
    whole = await gateway.client.post("/tts", json=body)
    streamed = await gateway.client.post("/tts", json={**body, "stream": True})
    assert streamed.content == whole.content
    assert "content-length" not in streamed.headers
    assert "x-voxgate-duration" not in streamed.headers
    assert streamed.headers["x-voxgate-engine"] == "fake"
    assert streamed.headers["content-type"] == "audio/pcm;rate=24000;channels=1"


async def test_too_large_body_is_413_with_and_without_content_length(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, limits={"body_bytes": 2000})
    error = await error_of(gateway, 413, text="x" * 3000)
    assert error["type"] == "body_too_large"

    async def undeclared():  # type: ignore[no-untyped-def]
        yield b'{"text": "'
        for _ in range(30):
            yield b"x" * 100

    response = await gateway.client.post("/tts", content=undeclared(), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert (await gateway.client.post("/tts", json={"text": "x" * 1000})).status_code == 200


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b'{"text": "x", "speed": NaN}', "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b"", "application/json", 422),
        (b"text=x", "application/x-www-form-urlencoded", 415),
        (b"<text/>", "application/xml", 415),
        (b"no boundary", "multipart/form-data", 422),
        (b"--b\r\nbroken", "multipart/form-data; boundary=b", 422),
    ],
)
async def test_malformed_bodies_are_refused(gateway: InMemory, content: bytes, content_type: str, status: int) -> None:
    response = await gateway.client.post("/tts", content=content, headers={"content-type": content_type})
    assert response.status_code == status, response.text
    assert response.json()["error"]["message"]


async def test_well_formed_request_id_is_kept(gateway: InMemory) -> None:
    kept = await gateway.client.post("/tts", json={"text": "x"}, headers={"x-request-id": "my-id_1.2"})
    assert kept.headers["x-request-id"] == "my-id_1.2"
    for bad in ("a" * 65, "sp ace", 'quo"te'):
        replaced = await gateway.client.post("/tts", json={"text": "x"}, headers={"x-request-id": bad})
        assert replaced.headers["x-request-id"] != bad


async def test_unknown_path_and_method_have_the_native_envelope(gateway: InMemory) -> None:
    missing = await gateway.client.get("/nothing/here")
    assert missing.status_code == 404
    assert missing.json()["error"]["type"] == "not_found"
    wrong = await gateway.client.put("/tts")
    assert wrong.status_code == 405
    assert wrong.json()["error"]["type"] == "method_not_allowed"


async def test_too_many_requests_are_503_and_health_still_responds(tmp_path: Path) -> None:
    gate = asyncio.Event()
    gateway = in_memory(tmp_path, [FakeEngine(script=pausing(gate))], limits={"requests": 2})
    waiting = [asyncio.create_task(gateway.client.post("/tts", json={"text": "x"})) for _ in range(2)]
    await asyncio.sleep(0.1)
    response = await gateway.client.post("/tts", json={"text": "x"})
    assert (response.status_code, response.json()["error"]["type"]) == (503, "overloaded")
    assert response.headers["retry-after"] == "1"
    for probe in ("/health/live", "/health/ready", "/metrics"):
        assert (await gateway.client.get(probe)).status_code == 200
    assert (await gateway.client.head("/health/ready")).status_code == 200
    gate.set()
    assert [(await task).status_code for task in waiting] == [200, 200]


async def test_unread_audio_is_limited(tmp_path: Path) -> None:
    async def flood(job: Job) -> AsyncGenerator[AudioChunk, None]:
        for _ in range(3):
            yield AudioChunk(job.id, np.zeros(2**18, np.float32))

    gateway = in_memory(tmp_path, [FakeEngine(script=flood)], limits={"backlog_bytes": 2**20})
    synthesizer = gateway.app.state.services.synthesizer
    speech = await synthesizer.open(SpeechRequest(text="x"))
    await asyncio.sleep(0.05)  # two of three chunks are unread: 2 MiB
    assert (await error_of(gateway, 503))["type"] == "overloaded"
    await speech.aclose()
    assert (await gateway.client.post("/tts", json={"text": "x"})).status_code == 200
    assert synthesizer._backlog.used_bytes == 0


async def test_incomplete_body_is_408(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, limits={"body_s": 0.2})

    async def dripping():  # type: ignore[no-untyped-def]
        yield b'{"text": "'
        await asyncio.sleep(1)
        yield b'x"}'

    response = await gateway.client.post("/tts", content=dripping(), headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["error"]["type"]) == (408, "body_timeout")


@pytest.mark.parametrize(("origin", "status"), [("https://evil.example", 403), ("http://localhost", 200), (None, 200)])
async def test_cross_site_request_is_403(gateway: InMemory, origin: str | None, status: int) -> None:
    headers = {"host": "localhost", **({"origin": origin} if origin else {})}
    response = await gateway.client.post("/v1/engines/fake/unload", headers=headers)
    assert response.status_code == status
    assert (await gateway.client.get("/v1/engines", headers=headers)).status_code == 200


async def test_engine_text_limit_is_enforced(gateway: InMemory) -> None:
    error = await error_of(gateway, 422, text="x" * 1001)
    assert error["message"].endswith("the limit is 1000")


async def test_url_safe_base64_is_accepted(gateway: InMemory, clip: bytes) -> None:
    encoded = base64.urlsafe_b64encode(clip).decode()
    assert (await gateway.client.post("/tts", json={"text": "x", "reference_audio": encoded})).status_code == 200
