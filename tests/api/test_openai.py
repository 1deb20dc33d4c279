"""OpenAI's speech API: fields, models, errors and events."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from support.app import InMemory, in_memory
from support.classic_models import fish_gateway
from support.gateway_process import read_audio

from backends.base import AudioChunk, Job
from gateway.api.common.errors import Problem
from gateway.api.openai.errors import OpenAIRoute
from gateway.audio.formats import FORMATS
from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine
from gateway.errors import EngineNotFound, SynthesisFailed

OPENAI_VOICES = [
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
]


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


async def speak(gateway: InMemory, **body: Any) -> httpx.Response:
    fields = {"model": "tts-1", "voice": "alloy", "input": "hello", **body}
    return await gateway.client.post("/v1/audio/speech", json=fields)


async def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["x-request-id"]
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *events, rest = response.text.split("\n\n")
    assert rest == ""
    return [json.loads(event.removeprefix("data: ")) for event in events]


async def test_openai_client_request_becomes_mp3_of_the_default_engine(gateway: InMemory) -> None:
    response = await speak(gateway)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "audio/mpeg"
    assert "content-length" not in response.headers, "audio is sent while it is generated"
    assert "x-voxgate-ignored" not in response.headers
    assert response.headers["x-voxgate-voice"] == "ada"
    (job,) = gateway.engine.jobs
    assert (job.text, job.voice, job.speed, job.stream) == ("hello", "ada", 1.0, True)


async def test_every_field_reaches_the_engine(gateway: InMemory, clip: bytes) -> None:
    fields = {"speed": 1.5, "seed": 7, "language": "en-GB", "options": {"depth": 5}, "sample_rate": 16000}
    response = await speak(gateway, voice="grace", response_format="flac", stream=False, **fields)
    assert response.status_code == 200, response.text
    samples, rate = read_audio(response.content)
    assert (len(samples), rate) == (3200, 16000)
    assert "x-voxgate-ignored" not in response.headers
    (job,) = gateway.engine.jobs
    assert (job.voice, job.speed, job.seed, job.language, job.options) == ("grace", 1.5, 7, "en-GB", {"depth": 5})
    assert not job.stream
    encoded = base64.b64encode(clip).decode()
    cloned = await speak(gateway, reference_audio=encoded, reference_text="hm")
    assert cloned.status_code == 200, cloned.text
    assert gateway.engine.jobs[-1].reference is not None
    assert gateway.engine.jobs[-1].reference.text == "hm"


async def test_pcm_is_24_khz_for_every_engine(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(capabilities=replace(FAKE_CAPABILITIES, sample_rate_hz=48000))])
    response = await speak(gateway, response_format="pcm")
    assert response.headers["content-type"] == "audio/pcm;rate=24000;channels=1"
    assert len(response.content) == 2 * 4800 // 2
    other = await speak(gateway, response_format="pcm", sample_rate=48000)
    assert len(other.content) == 2 * 4800
    flac = await speak(gateway, response_format="flac", stream=False)
    assert read_audio(flac.content)[1] == 48000, "the rate of other formats is in their header"


async def test_complete_file_with_stream_false(gateway: InMemory) -> None:
    streamed = await speak(gateway, response_format="wav", seed=1)
    complete = await speak(gateway, response_format="wav", seed=1, stream=False)
    assert int(complete.headers["content-length"]) == len(complete.content)
    assert int.from_bytes(complete.content[4:8], "little") == len(complete.content) - 8
    assert complete.headers["x-voxgate-duration"] == "0.200"
    assert complete.content[44:] == streamed.content[44:]
    error = await error_of(await speak(gateway, stream=False, stream_format="sse"), 400)
    assert error["param"] == "stream"


async def test_unknown_fields_are_ignored_and_reported(gateway: InMemory) -> None:
    response = await speak(gateway, volume_multiplier=2, lang_code="a", engine="fake", instructions="Whisper.")
    assert response.status_code == 200
    assert response.headers["x-voxgate-ignored"] == "volume_multiplier, lang_code, engine, instructions"
    odd = await speak(gateway, **{"é\r\nx: y": 1, "z" * 900: 2})
    assert odd.status_code == 200
    assert odd.headers["x-voxgate-ignored"].startswith("%C3%A9%0D%0Ax%3A y, zzz")
    assert "x" not in odd.headers


async def test_null_means_absent_and_voice_is_optional(gateway: InMemory) -> None:
    nulls = dict.fromkeys(("model", "voice", "response_format", "speed", "instructions", "stream_format", "seed"))
    assert (await speak(gateway, **nulls)).status_code == 200
    assert (await speak(gateway, voice="", model="", instructions="")).status_code == 200
    assert [job.voice for job in gateway.engine.jobs] == ["ada", "ada"]


async def test_instructions_are_passed_to_engines_with_that_option(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"instructions": {"type": "string", "maxLength": 10}},
        "additionalProperties": False,
    }
    gateway = in_memory(tmp_path, [FakeEngine(capabilities=replace(FAKE_CAPABILITIES, options_schema=schema))])
    response = await speak(gateway, instructions="Whisper.")
    assert "x-voxgate-ignored" not in response.headers
    assert gateway.engine.jobs[0].options == {"instructions": "Whisper."}
    error = await error_of(await speak(gateway, instructions="Whisper it softly."), 400)
    assert error["param"] == "instructions"


@pytest.mark.parametrize("name", OPENAI_VOICES)
async def test_openai_voice_names_mean_the_first_voice(gateway: InMemory, name: str) -> None:
    assert (await speak(gateway, voice=name)).headers["x-voxgate-voice"] == "ada"


async def test_voice_with_an_openai_name_takes_precedence(tmp_path: Path, clip: bytes) -> None:
    voices = (*FAKE_CAPABILITIES.voices, replace(FAKE_CAPABILITIES.voices[0], name="nova"))
    gateway = in_memory(tmp_path, [FakeEngine(capabilities=replace(FAKE_CAPABILITIES, voices=voices))])
    assert (await speak(gateway, voice="nova")).headers["x-voxgate-voice"] == "nova"
    form = {"name": (None, "echo"), "audio": ("a.wav", clip)}
    assert (await gateway.client.post("/v1/voices", files=form)).status_code == 201
    assert (await speak(gateway, voice="echo")).headers["x-voxgate-voice"] == "echo"


async def test_aliases_map_to_engines_and_voices(tmp_path: Path) -> None:
    engines = [FakeEngine("one"), FakeEngine("two")]
    aliases = {
        "models": {"tts-1-hd": "two", "kokoro": "two"},
        "voices": {"alloy": "grace", "bella": {"two": "grace"}, "nova": {"two": "grace"}},
    }
    gateway = in_memory(tmp_path, engines, aliases=aliases)

    async def spoken(model: str, voice: str) -> tuple[str, str]:
        response = await speak(gateway, model=model, voice=voice)
        assert response.status_code == 200, response.text
        return response.headers["x-voxgate-engine"], response.headers["x-voxgate-voice"]

    assert await spoken("tts-1", "alloy") == ("one", "grace")
    assert await spoken("kokoro", "bella") == ("two", "grace")
    assert await spoken("tts-1-hd", "nova") == ("two", "grace")
    assert await spoken("one", "nova") == ("one", "ada"), "without an entry for this engine: its default voice"
    error = await error_of(await speak(gateway, model="one", voice="bella"), 404)
    assert (error["param"], error["code"]) == ("voice", "voice_not_found")
    listed = [entry["id"] for entry in (await gateway.client.get("/v1/models")).json()["data"]]
    assert listed == ["one", "two", "tts-1-hd", "kokoro", "default"]
    voices = (await gateway.client.get("/v1/audio/voices")).json()["voices"]
    assert [voice["id"] for voice in voices] == ["ada", "grace", "alloy", "bella", "nova"]


async def test_every_listed_model_is_accepted(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, fish_api={"max_models": 2})
    listing = (await gateway.client.get("/v1/models")).json()
    assert listing["object"] == "list"
    names = [entry["id"] for entry in listing["data"]]
    assert "default" in names
    audio = (await gateway.client.get("/v1/audio/models")).json()
    assert audio == {"models": [{"id": name} for name in names]}
    for entry in listing["data"]:
        assert (await gateway.client.get(f"/v1/models/{entry['id']}")).json() == entry
        spoken = await speak(gateway, model=entry["id"], voice=None)
        assert spoken.status_code == 200, spoken.text


@pytest.mark.parametrize("fish_engine", [None, "two"])
async def test_model_default_is_the_default_engine(tmp_path: Path, fish_engine: str | None) -> None:
    engines = [FakeEngine("one"), FakeEngine("two")]
    gateway = in_memory(tmp_path, engines, fish_api={"engine": fish_engine})
    assert "default" in [entry["id"] for entry in (await gateway.client.get("/v1/models")).json()["data"]]
    assert {"id": "default"} in (await gateway.client.get("/v1/audio/models")).json()["models"]
    assert (await gateway.client.get("/v1/models/default")).json()["id"] == "default"
    assert (await speak(gateway, model="default")).headers["x-voxgate-engine"] == "one"
    fish = await gateway.client.post("/v1/tts", json={"text": "hi"}, headers={"model": "default"})
    assert fish.headers["x-voxgate-engine"] == "one"
    classic = await gateway.client.post("/v1/models/default/invoke", json={"text": "hi"})
    assert classic.headers.get("x-voxgate-engine") == fish_engine, "the classic API has a default of its own"


async def test_alias_default_has_precedence_over_the_default_engine(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine("one"), FakeEngine("two")], aliases={"models": {"default": "two"}})
    assert (await speak(gateway, model="default")).headers["x-voxgate-engine"] == "two"


async def test_classic_model_is_accepted(tmp_path: Path) -> None:
    base = FakeEngine("fish", state=State.UNLOADED, loads_to=State.READY)
    gateway = in_memory(
        tmp_path,
        [base],
        fish_api={"engine": "fish"},
        make_client=lambda name, settings, label: FakeEngine(name, state=State.UNLOADED, loads_to=State.READY),
    )
    loaded = await gateway.client.put("/v1/models/mine", json={"device": "cpu"})
    assert loaded.status_code == 200, loaded.text
    spoken = await speak(gateway, model="mine")
    assert (spoken.status_code, spoken.headers["x-voxgate-engine"]) == (200, "fish:mine")
    assert (await speak(gateway, model="fish:mine")).status_code == 200


async def test_unknown_model_error_lists_the_models(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, aliases={"models": {"hd": "fake"}})
    for response in (await speak(gateway, model="whisper-1"), await gateway.client.get("/v1/models/whisper-1")):
        error = await error_of(response, 404)
        assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "model", "model_not_found")
        assert error["message"] == "unknown model 'whisper-1': must be one of default, fake, hd"
    assert (await gateway.client.get("/v1/models/tts-1")).json()["id"] == "tts-1"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": " \n"}, "input"),
        ({"input": "x" * 5001}, "input"),
        ({"input": 5}, "input"),
        ({"model": "x" * 129}, "model"),
        ({"model": ["tts-1"]}, "model"),
        ({"voice": "x" * 129}, "voice"),
        ({"voice": {}}, "voice"),
        ({"voice": {"id": 5}}, "voice"),
        ({"voice": ["ada"]}, "voice"),
        ({"response_format": "midi"}, "response_format"),
        ({"speed": 0.24}, "speed"),
        ({"speed": 4.1}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"instructions": "x" * 4097}, "instructions"),
        ({"stream_format": "websocket"}, "stream_format"),
        ({"seed": -1}, "seed"),
        ({"language": "english please"}, "language"),
        ({"language": "zh"}, "language"),
        ({"sample_rate": 1}, "sample_rate"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"options": {"dept": 1}}, "options.dept"),
        ({"options": []}, "options"),
        ({"reference_audio": "!!!"}, "reference_audio"),
        ({"reference_audio": "AAAA", "voice": "ada"}, "voice"),
    ],
)
async def test_invalid_field_has_its_openai_name(gateway: InMemory, body: dict[str, Any], param: str) -> None:
    error = await error_of(await speak(gateway, **body), 400)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, "invalid_value")
    assert not gateway.engine.jobs


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"", "application/json", 400),
        (b"input=x", "application/x-www-form-urlencoded", 415),
    ],
)
async def test_malformed_bodies_are_refused(gateway: InMemory, content: bytes, content_type: str, status: int) -> None:
    headers = {"content-type": content_type}
    await error_of(await gateway.client.post("/v1/audio/speech", content=content, headers=headers), status)


async def test_text_limit_is_the_setting_not_openais(tmp_path: Path) -> None:
    engine = FakeEngine(capabilities=replace(FAKE_CAPABILITIES, max_text_chars=100_000))
    gateway = in_memory(tmp_path, [engine], limits={"text_chars": 20_000})
    assert (await speak(gateway, input="x" * 20_000)).status_code == 200
    error = await error_of(await speak(gateway, input="x" * 20_001), 400)
    assert "limit is 20000" in error["message"]


async def test_middleware_refusals_have_the_openai_envelope(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, limits={"body_bytes": 2000})
    assert (await error_of(await speak(gateway, input="x" * 3000), 413))["code"] == "body_too_large"
    headers = {"origin": "https://evil.example"}
    response = await gateway.client.post("/v1/audio/speech", json={"input": "x"}, headers=headers)
    assert (await error_of(response, 403))["code"] == "cross_site"
    wrong = await error_of(await gateway.client.get("/v1/audio/speech"), 405)
    assert wrong["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("status", "type_", "kind", "code"),
    [
        (401, "unauthorized", "invalid_request_error", "invalid_api_key"),
        (403, "forbidden", "invalid_request_error", "forbidden"),
        (404, "engine_not_found", "invalid_request_error", "model_not_found"),
        (429, "rate_limited", "rate_limit_error", "rate_limit_exceeded"),
        (500, "synthesis_failed", "server_error", "synthesis_failed"),
        (503, "engine_unavailable", "server_error", "engine_unavailable"),
    ],
)
def test_error_types_and_codes_are_openais(status: int, type_: str, kind: str, code: str) -> None:
    body = OpenAIRoute.envelope(Problem(status, type_, "what is wrong", None, "id"))
    assert body == {"error": {"message": "what is wrong", "type": kind, "param": None, "code": code}}


async def test_unloaded_engine_is_503_with_retry_after(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(state=State.UNLOADED)])
    response = await speak(gateway)
    error = await error_of(response, 503)
    assert (error["type"], error["code"]) == ("server_error", "engine_unavailable")
    assert int(response.headers["retry-after"]) >= 1
    assert gateway.engine.state is State.LOADING


async def test_full_queue_is_a_rate_limit_error(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def wait(job: Job) -> AsyncGenerator[AudioChunk, None]:
        await gate.wait()
        yield AudioChunk(job.id, np.zeros(2400, np.float32))

    gateway = in_memory(tmp_path, [FakeEngine(script=wait)], max_active=1, max_queue=0)
    first = asyncio.create_task(speak(gateway))
    await asyncio.sleep(0.1)
    response = await speak(gateway)
    error = await error_of(response, 429)
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert int(response.headers["retry-after"]) >= 1
    gate.set()
    assert (await first).status_code == 200


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
async def test_failure_before_the_first_audio_has_an_error_status(tmp_path: Path, stream_format: str) -> None:
    async def fail(job: Job) -> AsyncGenerator[AudioChunk, None]:
        raise SynthesisFailed("no luck")
        yield

    gateway = in_memory(tmp_path, [FakeEngine(script=fail)])
    error = await error_of(await speak(gateway, stream_format=stream_format), 500)
    assert (error["message"], error["type"]) == ("no luck", "server_error")


@pytest.mark.parametrize("fmt", FORMATS)
async def test_events_have_the_same_audio(gateway: InMemory, fmt: str) -> None:
    plain = await speak(gateway, response_format=fmt, seed=1)
    events = events_of(await speak(gateway, response_format=fmt, seed=1, stream_format="sse", unknown=1))
    assert [event["type"] for event in events[:-1]] == ["speech.audio.delta"] * (len(events) - 1)
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == plain.content
    usage = {"input_tokens": 5, "output_tokens": 4, "total_tokens": 9}  # characters, and 50 ms units of audio
    assert events[-1] == {"type": "speech.audio.done", "usage": usage}


async def test_failed_event_stream_ends_with_an_error_event(tmp_path: Path) -> None:
    async def fail(job: Job) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(job.id, np.zeros(2400, np.float32))
        raise SynthesisFailed("no luck")

    gateway = in_memory(tmp_path, [FakeEngine(script=fail)])
    events = events_of(await speak(gateway, response_format="pcm", stream_format="sse"))
    assert [event["type"] for event in events] == ["speech.audio.delta", "error"]
    error = {"message": "no luck", "type": "server_error", "param": None, "code": "synthesis_failed"}
    assert events[-1]["error"] == error
    assert gateway.metric("voxgate_errors_total", type="synthesis_failed") == 1


async def test_alias_resolution(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine("one"), FakeEngine("two")], aliases={"models": {"s1": "two"}})
    aliases = gateway.app.state.services.aliases
    assert [aliases.engine(name) for name in ("one", "two", "s1", "s2-pro", "speech-1.5", "gpt-4o-mini-tts")] == [
        "one",
        "two",
        "two",
        "one",
        "one",
        "one",
    ]
    for unknown in ("", "One", "gpt-5"):
        with pytest.raises(EngineNotFound, match="must be one of default, one, s1, two") as caught:
            aliases.engine(unknown)
        assert caught.value.param == "model"
    assert aliases.voice("one", "alloy") is None
    assert aliases.voice("one", "whoever") == "whoever"
