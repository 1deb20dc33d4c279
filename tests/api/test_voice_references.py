"""Reference clips and stored voices in requests: refusals, and the names in their errors."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from support.app import InMemory, in_memory
from support.gateway_process import read_audio

from backends.base import LIMITS_LENGTH, AudioChunk, BuiltinVoice, Job
from backends.errors import InvalidJob
from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine

VOICES = Path(__file__).parents[2] / "backends" / "f5" / "assets" / "f5_mini" / "voices"
SENTENCE = "The quick brown fox jumps over the lazy dog."


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


def wav(samples: np.ndarray, rate_hz: int = 24_000) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


NOISE = wav(0.1 * np.random.default_rng(0).standard_normal(48_000))
SILENCE = wav(np.zeros(48_000))


async def upload(gateway: InMemory, clip: bytes, name: str = "mine", **fields: str) -> httpx.Response:
    return await gateway.client.post(
        "/v1/voices", data={"name": name, "transcript": "what is said", **fields}, files={"audio": ("a.wav", clip)}
    )


async def speak(gateway: InMemory, **body: Any) -> httpx.Response:
    return await gateway.client.post("/tts", json={"text": SENTENCE, **body})


# --- no speech ---


@pytest.mark.parametrize(("clip", "figure"), [(SILENCE, "-55 dBFS"), (NOISE, "2.5 dB")], ids=["silence", "noise"])
async def test_clip_without_speech_is_refused_by_every_route(gateway: InMemory, clip: bytes, figure: str) -> None:
    files = {"audio": ("a.wav", clip)}
    answers = [
        await upload(gateway, clip),
        await gateway.client.post("/v1/audio/voices", data={"name": "x"}, files={"audio_sample": ("a.wav", clip)}),
        await gateway.client.post("/v1/references/add", data={"id": "x", "text": "y"}, files=files),
        await gateway.client.post("/model", data={"title": "x"}, files={"voices": ("a.wav", clip)}),
        await speak(gateway, reference_audio=base64.b64encode(clip).decode(), reference_text="hm"),
    ]
    for answer in answers:
        assert answer.status_code in (400, 422), answer.text
        assert figure in answer.text
    assert not gateway.engine.jobs
    assert len((await gateway.client.get("/v1/voices")).json()["voices"]) == 2


@pytest.mark.parametrize(
    "start", [b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"RIFF\0\0\0\0AVI ", b"\x0b\x77", b"\x47\x40\x11"]
)
async def test_refusal_of_a_format_lists_the_accepted_ones(gateway: InMemory, start: bytes) -> None:
    answer = await upload(gateway, start + bytes(4000))  # WMA, AVI, AC3, MPEG-TS
    assert answer.status_code == 415, answer.text
    assert "accepted: WAV, FLAC, MP3, Ogg" in answer.json()["error"]["message"]


async def test_channels_in_opposite_phase_are_cloned_from_one(gateway: InMemory) -> None:
    samples, rate_hz = soundfile.read(VOICES / "clear.wav", dtype="float32")
    clip = wav(np.stack([0.5 * samples, -0.5 * samples], axis=1), rate_hz)
    answer = await speak(gateway, reference_audio=base64.b64encode(clip).decode(), reference_text="hm")
    assert answer.status_code == 200, answer.text
    reference = gateway.engine.jobs[-1].reference
    assert reference is not None
    np.testing.assert_allclose(reference.audio, 0.5 * samples, atol=1e-4)


# --- errors that name the stored voice ---


@pytest.mark.parametrize("param", ["reference_audio", "reference_text"])
async def test_engines_refusal_of_a_stored_voice_names_the_voice(tmp_path: Path, clip: bytes, param: str) -> None:
    async def refuse(job: Job) -> AsyncGenerator[AudioChunk, None]:
        if job.reference is not None:
            raise InvalidJob("up to 12 s of speech are used", param=param)
        yield AudioChunk(job.id, np.ones(2400, np.float32))

    gateway = in_memory(tmp_path, [FakeEngine(script=refuse)])
    await upload(gateway, clip, "O'Brien (1)")
    ssml = '<speak>Hello. <voice name="O&apos;Brien (1)">Good day.</voice></speak>'
    for body in ({"text": "x", "voice": "O'Brien (1)"}, {"text": ssml}):
        answer = await gateway.client.post("/tts", json=body)
        assert answer.status_code == 422, answer.text
        error = answer.json()["error"]
        assert error["param"] == "voice"
        assert error["message"] == "engine 'fake' cannot use \"O'Brien (1)\": up to 12 s of speech are used"
    encoded = base64.b64encode(clip).decode()
    answer = await speak(gateway, reference_audio=encoded, reference_text="hm")
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


async def test_stored_voice_beyond_an_engines_limit_has_a_warning(tmp_path: Path, clip: bytes) -> None:
    engine = FakeEngine(capabilities=replace(FAKE_CAPABILITIES, max_reference_s=1.5))
    gateway = in_memory(tmp_path, [engine])
    (warning,) = (await upload(gateway, clip)).json()["warnings"]
    assert "engine 'fake' uses up to 1.5 s" in warning
    assert "2.0 s" in warning
    listed = (await gateway.client.get("/v1/voices")).json()["voices"]
    assert [voice.get("warnings") for voice in listed] == [[warning], None, None]
    (shown,) = (await gateway.client.get("/v1/engines")).json()["engines"]
    assert shown["max_reference_s"] == 1.5


# --- names ---


@pytest.mark.parametrize(
    "name", ["O'Brien", "O’Brien", "Voice (1)", "Ann & Bob", "A, B + C", "奥巴马·贝拉克", "声音（1）"]
)
async def test_name_with_signs_works_in_every_route(gateway: InMemory, clip: bytes, name: str) -> None:
    created = await upload(gateway, clip, name)
    assert created.status_code == 201, created.text
    spoken = await speak(gateway, voice=name)
    assert httpx.URL("http://x/" + spoken.headers["x-voxgate-voice"]).path[1:] == name
    by_query = await gateway.client.post("/tts", params={"voice": name}, json={"text": "x"})
    assert by_query.status_code == 200, by_query.text
    quoted = httpx.URL("http://x", params={"n": name}).query.decode()[2:].replace("+", "%20")
    assert (await gateway.client.get(f"/v1/voices/{quoted}/audio")).status_code == 200
    assert (await gateway.client.delete(f"/v1/voices/{quoted}")).status_code == 204


# --- a stored voice and a built-in one of the same name ---


async def test_stored_voice_is_not_shadowed_by_an_engine_loaded_later(tmp_path: Path, clip: bytes) -> None:
    engine = FakeEngine(state=State.UNLOADED, loads_to=State.READY)
    gateway = in_memory(tmp_path, [engine])
    assert (await upload(gateway, clip, "Grace")).status_code == 201
    engine.load()
    spoken = await speak(gateway, voice="grace")
    assert spoken.status_code == 200, spoken.text
    assert spoken.headers["x-voxgate-voice"] == "Grace"
    assert engine.jobs[-1].reference is not None
    await speak(gateway)
    assert (engine.jobs[-1].voice, engine.jobs[-1].reference) == ("ada", None)
    stored = (await gateway.client.get("/v1/voices")).json()["voices"][0]
    assert "built-in voice of this name" in stored["warnings"][0]
    listed = (await gateway.client.get("/v1/audio/voices")).json()["voices"]
    assert [voice["name"] for voice in listed] == ["Grace", "ada"]


async def test_engine_without_cloning_keeps_its_built_in_voice(tmp_path: Path, clip: bytes) -> None:
    lacks = replace(FAKE_CAPABILITIES, cloning="none")
    engine = FakeEngine(state=State.UNLOADED, loads_to=State.READY, capabilities=lacks)
    gateway = in_memory(tmp_path, [engine])
    await upload(gateway, clip, "grace")
    engine.load()
    assert (await speak(gateway, voice="grace")).status_code == 200
    assert engine.jobs[-1].voice == "grace"


# --- lists ---


async def test_openai_list_is_filtered_by_model(tmp_path: Path, clip: bytes) -> None:
    others = replace(FAKE_CAPABILITIES, cloning="none", voices=(BuiltinVoice("eve", "en"),))
    aliases = {"models": {"tts-9": "plain"}, "voices": {"everywhere": "ada", "here": {"fake": "ada"}}}
    gateway = in_memory(tmp_path, [FakeEngine(), FakeEngine("plain", capabilities=others)], aliases=aliases)
    await upload(gateway, clip)

    async def names(**query: str) -> list[str]:
        answer = await gateway.client.get("/v1/audio/voices", params=query)
        return [voice["name"] for voice in answer.json()["voices"]]

    assert await names() == ["mine", "ada", "grace", "eve", "everywhere", "here"]
    assert await names(model="fake") == ["mine", "ada", "grace", "everywhere", "here"]
    assert await names(model="tts-9") == ["eve", "everywhere"]
    unknown = await gateway.client.get("/v1/audio/voices", params={"model": "nope"})
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "model")


# --- audio that is too short ---


def short(seconds: float, options: dict[str, Any] | None = None) -> FakeEngine:
    async def script(job: Job) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(job.id, np.ones(round(seconds * 24_000), np.float32))
        await asyncio.sleep(0)

    properties = {"frames": {"type": "integer", LIMITS_LENGTH: True}}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return FakeEngine(script=script, capabilities=replace(FAKE_CAPABILITIES, min_letter_s=0.015, options_schema=schema))


async def test_audio_much_shorter_than_its_text_is_a_failure(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [short(0.046)])
    answer = await speak(gateway)
    assert answer.status_code == 500, answer.text
    assert answer.json()["error"]["type"] == "synthesis_failed"
    assert "0.046 s" in answer.json()["error"]["message"]
    assert "0.53 s" in answer.json()["error"]["message"]
    with pytest.raises(AssertionError):  # the response never completes: the stream breaks off
        await speak(gateway, stream=True)


@pytest.mark.parametrize(
    ("seconds", "body"),
    [
        (0.6, {}),
        (0.15, {"speed": 4}),
        (0.1, {"text": "Yes."}),
        (0.2, {"text": "Aaaaaaaaaaaaaaaaaaaaaaaaaaah!"}),
        (0.046, {"options": {"frames": 2}}),
    ],
    ids=["long enough", "fast", "short text", "one sound", "limited by an option"],
)
async def test_short_audio_that_its_text_allows_is_returned(
    tmp_path: Path, seconds: float, body: dict[str, Any]
) -> None:
    answer = await speak(in_memory(tmp_path, [short(seconds)]), **body)
    assert answer.status_code == 200, answer.text
    samples, rate_hz = read_audio(answer.content)
    assert len(samples) / rate_hz == pytest.approx(seconds, abs=0.01)
