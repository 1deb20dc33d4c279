"""Emoji that a client has divided between two messages of a live session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.app import InMemory, in_memory
from support.live_text import of, proportional, started
from support.socket import Socket

from gateway.engine.fake import FakeEngine
from gateway.service.live.surrogates import SurrogateJoiner

HIGH, LOW = "\ud83d", "\ude00"


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine(script=proportional)])


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        (["Hi " + HIGH, LOW + " there."], "Hi 😀 there."),
        ([HIGH, "", LOW], "😀"),
        ([HIGH, HIGH, LOW + LOW], " 😀 "),
        (["a" + HIGH + "b"], "a b"),
        (["a" + LOW, "b"], "a b"),
        (["a" + HIGH + LOW + "b"], "a😀b"),
        (["a" + HIGH], "a "),
        (["\ufffd plain 😀"], "\ufffd plain 😀"),
        ([], ""),
    ],
)
def test_surrogates_are_joined_or_become_spaces(given: list[str], joined: str) -> None:
    joiner = SurrogateJoiner()
    assert "".join([*map(joiner.add, given), joiner.finish()]) == joined


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("path", ["/tts/stream", "/invocations-bidirectional-stream"])
async def test_divided_emoji_is_joined_and_positions_count_it_once(gateway: InMemory, binary: bool, path: str) -> None:
    async with Socket(gateway.app, path) as socket:
        await started(socket)
        for line in (r'{"type":"text","text":"Hi \ud83d"}', r'{"type":"text","text":"\uDE00 there. So"}'):
            socket.send_raw(line.encode() if binary else line)
        socket.send("flush")
        socket.send("end")
        events, _ = await socket.rest()
    assert (events[-1]["type"], events[-1]["position"]) == ("finished", len("Hi 😀 there. So"))
    assert [event["position"] for event in of(events, "flushed")] == [14]
    assert of(events, "segment")[-1]["end"] == 14
    assert socket.code == 1000


async def test_half_that_waits_outlives_a_flush_and_an_interruption(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text="Hi " + HIGH)
        socket.send("flush")
        events, _ = await socket.until("flushed")
        assert events[-1]["position"] == 3
        socket.send("interrupt")
        events, _ = await socket.until("interrupted")
        assert events[-1]["next"] == 3
        socket.send("text", text=LOW + " there")
        socket.send("end")
        events, _ = await socket.rest()
    assert events[-1]["position"] == len("Hi 😀 there")


async def test_lone_half_at_the_end_keeps_its_position(gateway: InMemory) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send("text", text="Hello" + LOW + "there." + HIGH)
        socket.send("end")
        events, _ = await socket.rest()
    assert events[-1]["position"] == 13
    assert [job.text for job in gateway.engine.jobs] == ["Hello there."]


@pytest.mark.parametrize(
    "message",
    [
        r'{"type":"text","text":"Hi \ud83d"',
        r'{"type":"text","text":"Hi \ud83d","more":1}',
        r'{"type":"start","voice":"Hi \ud83d"}',
        r'{"type":"\ud83d"}',
        '{"type":"text","text":"\\ud83d","x":' + "[" * 100_000,
        json.dumps({"type": "text", "text": "\ud83d", "x": [1] * 200_000}),
    ],
)
async def test_surrogates_elsewhere_are_errors(gateway: InMemory, message: str) -> None:
    async with Socket(gateway.app) as socket:
        await started(socket)
        socket.send_raw(message)
        events, _ = await socket.rest()
    assert (events[-1]["type"], events[-1]["error"]["type"]) == ("error", "invalid_request")
    assert socket.code == 1008
