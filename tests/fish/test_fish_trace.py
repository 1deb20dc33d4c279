"""Option ``trace``: the codes as they are generated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from support.fish.model import write_model

from backends.base import AudioChunk, DecodeJob, EngineConfig, Event, Finished, Job, Trace
from backends.fish.engine import FishEngine
from backends.fish.plugin import FishPlugin
from backends.fish.v0_2.config import FRAME_SAMPLES, RATE_HZ

TEXT = "The first sentence is here. The second one follows it."
OPTIONS = {"max_new_tokens": 12, "use_g2p": False, "chunk_length": 30}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FishEngine]:
    model = write_model(tmp_path_factory.mktemp("fish"))
    loaded = FishPlugin(EngineConfig("fish", device="cpu", dtype="float32", model=model, defaults=OPTIONS)).load()
    yield loaded
    loaded.close()


def drain(engine: FishEngine) -> list[Event]:
    events: list[Event] = []
    while not any(isinstance(event, Finished) for event in events):
        events += engine.step()
    return events


def speak(engine: FishEngine, speed: float = 1.0, **options: object) -> list[Event]:
    engine.add(Job("a", TEXT, seed=1, speed=speed, options=options))
    return drain(engine)


def samples(events: list[Event]) -> np.ndarray:
    return np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])


def test_traced_codes_are_those_of_the_audio(engine: FishEngine) -> None:
    events = speak(engine, trace=True)
    np.testing.assert_array_equal(samples(events), samples(speak(engine)))
    traces = [event for event in events if isinstance(event, Trace)]
    spans = sorted({trace.text_span for trace in traces})
    assert spans == sorted({event.text_span for event in events if isinstance(event, AudioChunk)})
    assert len(spans) == 2
    for span in spans:
        own = [trace for trace in traces if trace.text_span == span]
        codes = np.concatenate([trace.data for trace in own], axis=1)
        assert [trace.position for trace in own] == list(range(codes.shape[1]))
        engine.convert(DecodeJob("codes", codes.astype(np.int64)))
        spoken = [event for event in events if isinstance(event, AudioChunk) and event.text_span == span]
        np.testing.assert_allclose(samples(drain(engine)), samples(list(spoken)), atol=1e-4)


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_frame_rate_is_that_of_the_audio(engine: FishEngine, speed: float) -> None:
    traces = [event for event in speak(engine, speed, trace=True) if isinstance(event, Trace)]
    assert {trace.rate_hz for trace in traces} == {speed * RATE_HZ / FRAME_SAMPLES}
    assert {trace.kind for trace in traces} == {"codes"}
