"""Events of ``POST /tts`` from engines in worker processes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from support.gateway_process import Gateway


def stream(gateway: Gateway, **body: Any) -> Any:
    return gateway.client.stream("POST", "/tts", json={"response": "events", "format": "pcm", "seed": 1, **body})


def lines(response: httpx.Response) -> Iterator[dict[str, Any]]:
    assert response.status_code == 200
    return map(json.loads, response.iter_lines())


def of_type(events: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == type_]


def test_lite_has_a_segment_for_each_sentence(gateway: Gateway) -> None:
    text = "The first sentence. Then $5 more."
    with stream(gateway, text=text, engine="lite") as response:
        events = list(lines(response))
    segments = of_type(events, "segment")
    assert [text[one["start"] : one["end"]] for one in segments] == ["The first sentence.", "Then $5 more."]
    (done,) = of_type(events, "done")
    audio = b"".join(base64.b64decode(event["audio"]) for event in of_type(events, "audio"))
    assert len(audio) == round(done["duration_ms"] * 24) * 2
    assert 0 < segments[1]["at_ms"] < done["duration_ms"]


@pytest.mark.parametrize("trace", [False, True])
def test_trace_is_sent_only_if_asked_for(gateway: Gateway, trace: bool) -> None:
    with stream(gateway, text="hello", engine="tone", options={"trace": trace}) as response:
        traces = of_type(list(lines(response)), "trace")
    assert {event["kind"] for event in traces} == ({"codes", "mel"} if trace else set())
    for event in traces:
        data = np.frombuffer(base64.b64decode(event["data"]), event["dtype"])
        assert data.size == event["rows"] * event["columns"]


def test_closed_connection_aborts_the_job(gateway: Gateway) -> None:
    with stream(gateway, text="x" * 400, engine="tone", options={"step_s": 0.05}) as response:
        start, *_ = (event for event, _ in zip(lines(response), range(3), strict=False))
        assert start["type"] == "start"
    deadline = time.monotonic() + 10
    while gateway.client.get("/v1/engines/tone").json()["queue"]["active"]:
        assert time.monotonic() < deadline, "the job went on"
        time.sleep(0.05)
