"""``POST /v1/text`` and what the text stage does to requests: spans, several voices, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.app import InMemory, in_memory

from backends.base import BuiltinVoice
from backends.text import Alphabet
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine

LETTERS = replace(FAKE_CAPABILITIES, languages=("en", "zh"), alphabet=Alphabet(("LATIN",)))


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine(capabilities=LETTERS)])


async def shown(gateway: InMemory, **fields: Any) -> dict[str, Any]:
    response = await gateway.client.post("/v1/text", json=fields)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_spoken_text_is_shown_with_spans_and_categories(gateway: InMemory) -> None:
    answer = await shown(gateway, text="I have 3 apples.")
    assert answer["spoken_text"] == "I have three apples."
    assert answer["changes"] == [{"start": 7, "end": 8, "written": "3", "spoken": "three", "category": "cardinal"}]
    [part] = answer["parts"]
    assert (part["type"], part["start"], part["end"]) == ("speech", 0, 16)
    assert gateway.engine.jobs == []


async def test_refused_characters_are_shown(gateway: InMemory) -> None:
    answer = await shown(gateway, text="Hello 你好", language="zh")
    assert answer["refused"] == [{"start": 6, "character": "你"}, {"start": 7, "character": "好"}]


async def test_pauses_are_shown(gateway: InMemory) -> None:
    answer = await shown(gateway, text="One [pause:2s] two")
    assert [part["type"] for part in answer["parts"]] == ["speech", "pause", "speech"]
    assert answer["parts"][1]["duration_s"] == 2.0


async def test_markdown_is_converted_before(gateway: InMemory) -> None:
    answer = await shown(gateway, text="**Bold** text", markdown=True)
    assert answer["text"] == answer["spoken_text"] == "Bold text"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"text": ""}, "text"),
        ({"text": "x" * 6000}, "text"),
        ({"text": "x", "engine": "none"}, "engine"),
        ({"text": "x", "language": "fr"}, "language"),
        ({"text": "x", "normalize": {"dates": False}}, "normalize"),
        ({"text": "x", "speed": 2}, "speed"),
    ],
)
async def test_invalid_field_is_refused_by_name(gateway: InMemory, fields: dict[str, Any], param: str) -> None:
    response = await gateway.client.post("/v1/text", json=fields)
    assert response.status_code in (404, 422)
    assert response.json()["error"]["param"] == param


async def test_engine_gets_the_spoken_text(gateway: InMemory) -> None:
    await gateway.client.post("/tts", json={"text": "It costs $5 today."})
    assert gateway.engine.jobs[-1].text == "It costs five dollars today."


@pytest.mark.parametrize("value", ["false", '{"currency": false}'])
async def test_query_string_turns_normalization_off(gateway: InMemory, value: str) -> None:
    response = await gateway.client.post("/tts", params={"text": "It costs $5 today.", "normalize": value})
    assert response.status_code == 422
    assert response.json()["error"]["message"] == "fake cannot speak '$' (DOLLAR SIGN, character 10 of the text)"


async def test_pause_is_silence_of_its_length(gateway: InMemory) -> None:
    plain = await gateway.client.post("/tts", json={"text": "One", "format": "pcm", "seed": 1})
    paused = await gateway.client.post("/tts", json={"text": "One [pause:1s] One", "format": "pcm", "seed": 1})
    speech, both = (np.frombuffer(response.content, "<i2") for response in (plain, paused))
    assert len(both) == 2 * len(speech) + 24000
    assert not both[len(speech) : len(speech) + 24000].any()
    assert (both[-len(speech) :] == speech).all()


async def test_text_of_pauses_alone_is_silence(gateway: InMemory) -> None:
    response = await gateway.client.post("/tts", json={"text": "[pause:1s]", "format": "pcm"})
    assert len(response.content) == 48000
    assert not any(response.content)


async def test_ssml_selects_voice_speed_and_volume(gateway: InMemory) -> None:
    text = '<speak>Hello <voice name="grace"><prosody rate="150%" volume="+6dB">there</prosody></voice></speak>'
    response = await gateway.client.post("/tts", json={"text": text, "format": "pcm", "seed": 1, "speed": 2})
    assert [(job.text.strip(), job.voice, job.speed) for job in gateway.engine.jobs] == [
        ("Hello", "ada", 2.0),
        ("there", "grace", 3.0),
    ]
    samples = np.frombuffer(response.content, "<i2").astype(float)
    quiet, loud = np.split(samples, 2)
    assert np.abs(loud).max() > 1.5 * np.abs(quiet).max()


async def test_unknown_voice_in_ssml_is_named(gateway: InMemory) -> None:
    response = await gateway.client.post("/tts", json={"text": '<speak><voice name="nemo">Hi</voice></speak>'})
    assert response.status_code == 404
    assert "nemo" in response.json()["error"]["message"]


async def test_refused_second_passage_after_a_pause_precedes_all_audio(gateway: InMemory) -> None:
    response = await gateway.client.post("/tts", json={"text": "[pause:1s] ж", "stream": True, "language": "en"})
    assert response.status_code == 422


async def test_transcript_is_normalized_like_the_text(gateway: InMemory, clip: bytes) -> None:
    files = {"reference_audio": ("a.wav", clip)}
    data = {"text": "Hello", "reference_text": "I have 3 apples."}
    response = await gateway.client.post("/tts", data=data, files=files)
    assert response.status_code == 200, response.text
    reference = gateway.engine.jobs[-1].reference
    assert reference is not None
    assert reference.text == "I have three apples."


async def test_transcript_that_the_engine_cannot_speak_is_refused(gateway: InMemory, clip: bytes) -> None:
    files = {"reference_audio": ("a.wav", clip)}
    response = await gateway.client.post("/tts", data={"text": "Hello", "reference_text": "你好"}, files=files)
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "reference_text"
    stored = await gateway.client.post("/v1/voices", data={"name": "li", "transcript": "你好"}, files={"audio": clip})
    assert stored.status_code == 201, stored.text
    response = await gateway.client.post("/tts", json={"text": "Hello", "voice": "li"})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "voice"


async def test_selected_dictionary_respells_words(gateway: InMemory) -> None:
    entries = {"entries": {"nginx": "engine x"}, "language": "en"}
    assert (await gateway.client.put("/v1/lexicons/web", json=entries)).status_code == 201
    answer = await shown(gateway, text="Restart nginx.", lexicons=["web"])
    assert answer["spoken_text"] == "Restart engine x."
    assert answer["changes"][0]["category"] == "lexicon"
    assert (await shown(gateway, text="Restart nginx."))["spoken_text"] == "Restart nginx."
    await gateway.client.post("/tts", params={"text": "Restart nginx.", "lexicons": "web"})
    assert gateway.engine.jobs[-1].text == "Restart engine x."


async def test_unknown_dictionary_is_refused(gateway: InMemory) -> None:
    response = await gateway.client.post("/tts", json={"text": "x", "lexicons": ["none"]})
    assert (response.status_code, response.json()["error"]["param"]) == (404, "lexicons")


async def test_default_dictionary_applies_without_being_named(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, settings={"lexicons": {"default": ["web"]}})
    await gateway.client.put("/v1/lexicons/web", json={"entries": {"nginx": "engine x"}})
    await gateway.client.post("/tts", json={"text": "Restart nginx."})
    assert gateway.engine.jobs[-1].text == "Restart engine x."


async def test_voice_and_language_choose_each_other(tmp_path: Path) -> None:
    voices = (BuiltinVoice("ada", "en"), BuiltinVoice("max", "de"))
    capabilities = replace(FAKE_CAPABILITIES, languages=("en", "de"), voices=voices)
    gateway = in_memory(tmp_path, [FakeEngine(capabilities=capabilities)])
    for fields in ({"language": "de"}, {"voice": "max"}, {"voice": "Max", "language": "de-AT"}):
        response = await gateway.client.post("/tts", json={"text": "Es kostet 5 €.", **fields})
        assert response.status_code == 200, response.text
        assert (gateway.engine.jobs[-1].voice, gateway.engine.jobs[-1].text) == ("max", "Es kostet fünf Euro.")
    await gateway.client.post("/tts", json={"text": "It costs 5 €."})
    assert (gateway.engine.jobs[-1].voice, gateway.engine.jobs[-1].text) == ("ada", "It costs five euros.")
