"""``POST /tts`` with ``"response": "events"``."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.app import InMemory, in_memory

from backends.base import AudioChunk, Job, Trace
from gateway.engine.client import SpeechOutput
from gateway.engine.fake import FakeEngine
from gateway.errors import SynthesisFailed

TEXT = "It costs $5. Two more."


async def sentences(job: Job) -> AsyncGenerator[SpeechOutput, None]:
    """Yield 0.1 s per sentence, the first one in two chunks, and a trace before each."""
    rng = np.random.default_rng(job.seed)
    end = job.text.index(".") + 1
    for samples, span in ((1200, (0, end)), (1200, (0, end)), (2400, (end, len(job.text)))):
        yield Trace(job.id, "codes", np.array([[1, 500]], np.uint16), span, 0, 20.0)
        yield AudioChunk(job.id, rng.uniform(-0.5, 0.5, samples).astype(np.float32), span)


async def events_of(gateway: InMemory, status: int = 200, **body: Any) -> list[dict[str, Any]]:
    response = await gateway.client.post("/tts", json={"text": TEXT, "response": "events", **body})
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.content.splitlines()]


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def audio(events: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(event["audio"]) for event in events if event["type"] == "audio")


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine(script=sentences)])


async def test_start_describes_the_audio_and_the_text(gateway: InMemory) -> None:
    start, *_, done = await events_of(gateway, seed=7, format="pcm")
    assert start["type"] == "start"
    assert (start["engine"], start["model"], start["voice"], start["seed"]) == ("fake", "fake-1", "ada", 7)
    assert (start["format"], start["content_type"]) == ("pcm", "audio/pcm;rate=24000;channels=1")
    assert start["sample_rate"] == 24000
    assert start["request_id"]
    assert (start["text"], start["spoken_text"]) == (TEXT, "It costs five dollars. Two more.")
    assert start["languages"] == ["en"]
    assert done == {**done, "type": "done", "duration_ms": 200.0}
    assert 0 <= start["queue_ms"] <= done["first_audio_ms"] <= done["total_ms"]


@pytest.mark.parametrize("fmt", ["pcm", "wav", "mp3"])
async def test_audio_is_that_of_a_stream(gateway: InMemory, fmt: str) -> None:
    body = {"seed": 3, "format": fmt}
    streamed = await gateway.client.post("/tts", json={"text": TEXT, **body, "stream": True})
    assert audio(await events_of(gateway, **body)) == streamed.content
    assert [job.stream for job in gateway.engine.jobs] == [True, True]


async def test_segments_are_spans_of_the_text_as_it_was_sent(gateway: InMemory) -> None:
    events = await events_of(gateway, format="pcm")
    assert types(events) == [
        *("start", "trace", "segment", "audio", "trace", "audio", "trace", "segment", "audio", "done")
    ]
    segments = [event for event in events if event["type"] == "segment"]
    assert [TEXT[one["start"] : one["end"]] for one in segments] == ["It costs $5.", " Two more."]
    assert [(one["index"], one["at_ms"]) for one in segments] == [(0, 0.0), (1, 100.0)]


async def test_engine_without_spans_has_a_segment_per_passage(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    segments = [event for event in await events_of(gateway, text="One. [pause:1s] Two.") if event["type"] == "segment"]
    assert [(one["start"], one["end"], one["at_ms"]) for one in segments] == [(0, 4, 0.0), (16, 20, 1200.0)]


async def test_trace_has_its_array_and_place(gateway: InMemory) -> None:
    trace = next(event for event in await events_of(gateway) if event["type"] == "trace")
    codes = np.frombuffer(base64.b64decode(trace.pop("data")), trace["dtype"]).reshape(trace["rows"], -1)
    assert codes.tolist() == [[1, 500]]
    assert trace == {
        "type": "trace",
        "kind": "codes",
        "start": 0,
        "end": 12,
        "position": 0,
        "rate": 20.0,
        "rows": 1,
        "columns": 2,
        "dtype": "uint16",
    }


async def test_traces_are_dropped_from_other_responses(gateway: InMemory) -> None:
    for body in ({"stream": True}, {}, {"response": "base64"}):
        assert (await gateway.client.post("/tts", json={"text": TEXT, **body})).status_code == 200
    assert gateway.metric("voxgate_requests_total", engine="fake", outcome="ok") == 3


async def test_languages_of_the_text_are_detected_by_sentence(gateway: InMemory) -> None:
    start, *_ = await events_of(gateway, text="One sentence. 这是另外一个更长的中文句子，它有很多的汉字。")
    assert start["languages"] == ["zh", "en"]
    shown = await gateway.client.post("/v1/text", json={"text": "你好。"})
    assert shown.json()["languages"] == ["zh"]


async def test_failure_before_the_first_output_is_an_error_response(tmp_path: Path) -> None:
    async def fail(job: Job) -> AsyncGenerator[SpeechOutput, None]:
        raise SynthesisFailed("no voice today")
        yield

    gateway = in_memory(tmp_path, [FakeEngine(script=fail)])
    response = await gateway.client.post("/tts", json={"text": TEXT, "response": "events"})
    assert response.status_code == 500
    assert response.json()["error"]["message"] == "no voice today"
    refused = await gateway.client.post("/tts", json={"text": " ", "response": "events"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "text")


async def test_failure_after_the_first_output_is_the_last_event(tmp_path: Path) -> None:
    async def fail_later(job: Job) -> AsyncGenerator[SpeechOutput, None]:
        yield Trace(job.id, "mel", np.zeros((1, 1), np.uint8), (0, 5), 1, 1.0)
        raise SynthesisFailed("out of breath")

    gateway = in_memory(tmp_path, [FakeEngine(script=fail_later)])
    start, trace, failed = await events_of(gateway)
    assert (start["type"], trace["type"]) == ("start", "trace")
    error = {"type": "synthesis_failed", "message": "out of breath", "param": None, "request_id": start["request_id"]}
    assert failed == {"type": "error", "error": error}
    assert gateway.metric("voxgate_errors_total", type="synthesis_failed") == 1


async def test_sagemaker_streams_events_for_any_accept_header(gateway: InMemory) -> None:
    for accept in ("application/x-ndjson", "audio/mpeg"):
        body = {"text": TEXT, "response": "events", "format": "pcm"}
        response = await gateway.client.post("/invocations", json=body, headers={"accept": accept})
        assert response.headers["content-type"] == "application/x-ndjson"
        assert json.loads(response.content.splitlines()[0])["format"] == "pcm"


async def test_head_has_the_content_type(gateway: InMemory) -> None:
    response = await gateway.client.head("/tts?text=x&response=events")
    assert response.headers["content-type"] == "application/x-ndjson"
