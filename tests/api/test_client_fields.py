"""Recordings, languages, formats and voices as clients of other servers write them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.app import InMemory, in_memory

from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine

CASES = Path(__file__).parents[1] / "cases/clients"


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


@pytest.fixture
def encoded(clip: bytes) -> str:
    return base64.b64encode(clip).decode()


async def speech(gateway: InMemory, **body: Any) -> Any:
    body = {"model": "tts-1", "voice": "alloy", "input": "hello", **body}
    return await gateway.client.post("/v1/audio/speech", json=body)


async def test_ref_audio_is_cloned(gateway: InMemory) -> None:
    case = json.loads((CASES / "07_ref_audio_ignored.json").read_text())
    response = await speech(gateway, ref_audio=case["ref_audio"], ref_text="what is said")
    assert (response.status_code, response.headers["x-voxgate-voice"]) == (200, "reference"), response.text
    assert "x-voxgate-ignored" not in response.headers
    (job,) = gateway.engine.jobs
    assert job.reference is not None
    assert job.reference.text == "what is said"


@pytest.mark.parametrize("alias", ["ref_audio", "ref_text"])
async def test_field_under_both_names_is_an_error(gateway: InMemory, encoded: str, alias: str) -> None:
    fields = {"reference_audio": encoded, "reference_text": "a", alias: encoded}
    error = (await speech(gateway, **fields)).json()["error"]
    assert error["param"] == alias
    assert f"is another name of {alias.replace('ref_', 'reference_')}" in error["message"]
    assert not gateway.engine.jobs


async def test_empty_alias_means_absent(gateway: InMemory, encoded: str) -> None:
    for fields in ({"ref_audio": "", "ref_text": ""}, {"ref_audio": None, "reference_audio": encoded, "ref_text": ""}):
        response = await speech(gateway, **fields)
        assert (response.status_code, response.headers.get("x-voxgate-ignored")) == (200, None), response.text
    assert [job.reference is not None for job in gateway.engine.jobs] == [False, True]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"ref_audio": "!!!"}, 400, "ref_audio"),
        ({"ref_audio": "AAAA"}, 415, "ref_audio"),
        ({"ref_audio": ["AAAA"]}, 400, "ref_audio"),
        ({"ref_text": "said"}, 400, "ref_text"),
    ],
)
async def test_errors_name_the_field_as_it_was_sent(
    gateway: InMemory, fields: dict[str, Any], status: int, param: str
) -> None:
    response = await speech(gateway, **fields)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "speaker_wav",
            "prompt_audio",
            "promptAudio",
            "voice_clone",
            "audio_prompt_path",
            "prompt_speech_16k",
            "ref_wav",
        ),
        *(
            "reference_audio_url",
            "speaker_embedding",
            "clone_sample",
            "voice_file",
            "voice_samples",
            "REF_AUDIO",
            "speaker_wavs",
            "audio_sample_ref",
            "ref_file",
        ),
    ],
)
async def test_recording_in_an_unknown_field_is_an_error(gateway: InMemory, encoded: str, name: str) -> None:
    error = (await speech(gateway, **{name: encoded})).json()["error"]
    assert error["param"] == name
    assert error["message"].endswith("send one recording, in reference_audio")
    classic = await gateway.client.post("/v1/models/default/invoke", json={"text": "x", name: encoded})
    assert (classic.status_code, name in classic.json()["message"]) == (422, True)
    fish = await gateway.client.post("/v1/tts", json={"text": "x", name: encoded})
    assert (fish.status_code, name in fish.json()["message"]) == (422, True)
    assert not gateway.engine.jobs


async def test_content_of_a_recording_in_an_unknown_field_is_an_error(gateway: InMemory, encoded: str) -> None:
    for value in ("data:audio/wav;base64,AAAA", "DATA:video/mp4,x", encoded):
        response = await speech(gateway, timbre=value)
        assert (response.status_code, response.json()["error"]["param"]) == (400, "timbre")
    listed = await speech(gateway, references=[{"audio": encoded, "text": ""}])
    assert (listed.status_code, listed.json()["error"]["param"]) == (400, "references")


async def test_fields_about_voices_that_carry_no_recording_are_ignored(gateway: InMemory) -> None:
    fields = {
        "voice_settings": {"stability": 1},
        "reference_audio_format": "wav",
        "voice_sample_rate": 8000,
        "speaker_wav": None,
        "prompt_audio": "",
        "voice_clone": False,
        "speaker_id": "p1",
        "voice_code": "en-1",
        "prompt": "calmly",
        "sample_name": "x",
        "audio_format": "mp3",
    }
    response = await speech(gateway, **fields)
    assert response.status_code == 200, response.text
    assert response.headers["x-voxgate-ignored"] == ", ".join(fields)


async def test_second_recording_of_a_stored_voice_is_an_error(gateway: InMemory, encoded: str) -> None:
    body = {"name": "Mine", "audio_sample": encoded, "file": encoded}
    response = await gateway.client.post("/v1/audio/voices", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "file")


async def test_language_names_reach_the_engine_as_bcp_47(gateway: InMemory) -> None:
    case = json.loads((CASES / "12_language.json").read_text())
    written = [case["language"], "English", "en-gb", "auto", "", None]
    for language in written:
        for path, text in (("/tts", "text"), ("/v1/audio/speech", "input"), ("/invocations", "text")):
            response = await gateway.client.post(path, json={text: "hi there", "language": language})
            assert response.status_code == 200, response.text
        shown = await gateway.client.post("/v1/text", json={"text": "hi", "language": language})
        assert shown.status_code == 200, shown.text
    assert [job.language for job in gateway.engine.jobs[::3]] == ["en-US", "en", "en-GB", None, None, None]
    assert [job.language for job in gateway.engine.jobs[2::3]] == [job.language for job in gateway.engine.jobs[::3]]
    queried = await gateway.client.get("/tts?text=hi&language=en_US")
    assert (queried.status_code, gateway.engine.jobs[-1].language) == (200, "en-US")


async def test_chinese_by_any_tag_is_supported_by_a_chinese_engine(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(capabilities=replace(FAKE_CAPABILITIES, languages=("zh",)))])
    for language in ("zh-CN", "cmn", "zh_Hans", "cmn-Hans-CN", "中文", "Chinese", "zho"):
        response = await gateway.client.post("/tts", json={"text": "你好", "language": language})
        assert response.status_code == 200, response.text
    error = (await gateway.client.post("/tts", json={"text": "hi", "language": "Deutsch"})).json()["error"]
    assert error["param"] == "language"
    assert error["message"].startswith("engine 'fake' does not support de, only zh")


async def test_unknown_language_error_has_examples(gateway: InMemory) -> None:
    response = await gateway.client.post("/tts", json={"text": "hi", "language": "klingon"})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (422, "language")
    assert "such as en, zh-CN or pt-BR, a name such as English" in error["message"]
    stored = await gateway.client.post("/v1/voices", data={"name": "a", "language": "klingon"}, files={"audio": b"x"})
    assert (stored.status_code, stored.json()["error"]["param"]) == (422, "language")


async def test_language_of_a_stored_voice_is_a_tag(gateway: InMemory, clip: bytes) -> None:
    for name, language, tag in (("a", "en_GB", "en-GB"), ("b", "auto", None)):
        data = {"name": name, "transcript": name, "language": language}
        stored = await gateway.client.post("/v1/voices", data=data, files={"audio": clip})
        assert stored.json().get("language") == tag, stored.text


@pytest.mark.parametrize(
    ("written", "content_type"), [("MP3", "audio/mpeg"), ("Ogg", "audio/ogg"), ("g711_ulaw", None)]
)
async def test_format_names_in_any_case_on_every_route(
    gateway: InMemory, written: str, content_type: str | None
) -> None:
    content_type = content_type or "audio/PCMU;rate=8000;channels=1"
    for path, body in (
        ("/tts", {"text": "x", "format": written}),
        ("/v1/audio/speech", {"input": "x", "response_format": written}),
        ("/v1/tts", {"text": "x", "format": written}),
        ("/invocations", {"text": "x", "format": written}),
    ):
        response = await gateway.client.post(path, json=body)
        assert (response.status_code, response.headers["content-type"]) == (200, content_type), response.text


async def test_unknown_format_error_lists_the_formats_on_every_route(gateway: InMemory) -> None:
    for path, body, status, param in (
        ("/tts", {"text": "x", "format": "midi"}, 422, "format"),
        ("/v1/audio/speech", {"input": "x", "response_format": "midi"}, 400, "response_format"),
        ("/v1/tts", {"text": "x", "format": "midi"}, 422, "format"),
    ):
        response = await gateway.client.post(path, json=body)
        assert response.status_code == status
        assert param in response.text
        assert "must be one of wav, mp3, flac, opus, aac, pcm, m4a, webm, mulaw, alaw" in response.text


async def test_openapi_lists_the_formats(gateway: InMemory) -> None:
    schema = (await gateway.client.get("/openapi.json")).json()
    for path, field in (("/tts", "format"), ("/v1/audio/speech", "response_format"), ("/v1/tts", "format")):
        body = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert {"opus", "m4a", "webm", "mulaw", "alaw_wav"} <= set(body["properties"][field]["enum"])


async def test_voice_names_in_any_case(tmp_path: Path, clip: bytes) -> None:
    gateway = in_memory(tmp_path, aliases={"voices": {"Bella": "grace"}})
    await gateway.client.post("/v1/voices", data={"name": "Mine", "transcript": "said"}, files={"audio": clip})
    for written, voice in (("GRACE", "grace"), ("Alloy", "ada"), ("mINE", "Mine"), ("bella", "grace")):
        response = await speech(gateway, voice=written)
        assert response.headers.get("x-voxgate-voice") == voice, response.text
        fish = await gateway.client.post("/v1/tts", json={"text": "x", "reference_id": written})
        assert fish.headers.get("x-voxgate-voice") == voice, fish.text
    native = await gateway.client.post("/tts", json={"text": "x", "voice": "Grace"})
    assert native.headers["x-voxgate-voice"] == "grace"


async def test_voice_stored_as_an_openai_name_that_cannot_be_used_falls_back_in_any_case(
    tmp_path: Path, clip: bytes
) -> None:
    gateway = in_memory(tmp_path, [FakeEngine(capabilities=replace(FAKE_CAPABILITIES, cloning="none"))])
    await gateway.client.post("/v1/voices", data={"name": "alloy", "transcript": "said"}, files={"audio": clip})
    response = await speech(gateway, voice="Alloy")
    assert (response.headers["x-voxgate-voice"], response.headers["x-voxgate-ignored"]) == ("ada", "voice")
