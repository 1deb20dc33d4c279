"""Option ``trace``: pictures of the mel while it is refined."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support.f5.sampling import write_model

from backends.base import MAX_TRACE_BYTES, AudioChunk, EngineConfig, Event, Finished, Job, Trace
from backends.f5.config import HOP_SAMPLES, MELS, RATE_HZ
from backends.f5.engine import F5Engine
from backends.f5.plugin import F5Plugin
from backends.f5.trace import HIGHEST, LOWEST, PICTURES, ROWS, mel_observer

LONG = "The first sentence is long enough to be heard. The second one follows at once, and it has two clauses. " * 4


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[F5Engine]:
    model = write_model(tmp_path_factory.mktemp("f5"), "tiny")
    built = F5Plugin(EngineConfig("f5", device="cpu", dtype="float32", model=model, defaults={"nfe": 3})).load()
    yield built
    built.close()


def events_of(engine: F5Engine, text: str, **options: object) -> list[Event]:
    engine.add(Job("a", text, seed=1, options=options))
    events: list[Event] = []
    while not any(isinstance(event, Finished) for event in events):
        events += engine.step()
    return events


def test_each_chunk_of_the_text_is_traced_up_to_its_audio(engine: F5Engine) -> None:
    plain = [event for event in events_of(engine, LONG) if isinstance(event, AudioChunk)]
    events = events_of(engine, LONG, trace=True)
    audio = [event for event in events if isinstance(event, AudioChunk)]
    traces = [event for event in events if isinstance(event, Trace)]
    np.testing.assert_array_equal(
        np.concatenate([chunk.samples for chunk in audio]), np.concatenate([chunk.samples for chunk in plain])
    )
    assert len(audio) > 1
    for chunk in audio:
        own = [trace for trace in traces if trace.text_span == chunk.text_span]
        assert [trace.position for trace in own] == [1, 2, 3]
        seconds = own[-1].data.shape[1] / own[-1].rate_hz
        assert seconds == pytest.approx(len(chunk.samples) / RATE_HZ, abs=0.16)  # chunks overlap by 0.15 s
        arrival = [id(event) for event in events]
        assert arrival.index(id(own[-1])) < arrival.index(id(chunk))


def test_pictures_are_spread_over_the_steps_and_bounded_in_size() -> None:
    found: list[Trace] = []
    observe = mel_observer("a", (0, 5), reference_frames=96, nfe=32, emit=found.append)
    for step in range(1, 33):
        observe(step, torch.randn(4096, MELS))
    assert [trace.position for trace in found] == [4, 8, 12, 16, 20, 24, 28, 32]
    assert len(found) == PICTURES
    assert {trace.data.shape for trace in found} == {(ROWS, 256)}
    assert found[0].data.nbytes <= MAX_TRACE_BYTES
    assert 256 / found[0].rate_hz == pytest.approx(4000 * HOP_SAMPLES / RATE_HZ)


def test_picture_has_the_level_of_the_mel_and_no_reference() -> None:
    found: list[Trace] = []
    mel = torch.full((110, MELS), 9.0)
    mel[100:, :50] = LOWEST  # low frequencies
    mel[100:, 50:] = (LOWEST + HIGHEST) / 2
    mel_observer("a", (0, 5), reference_frames=100, nfe=1, emit=found.append)(1, mel)
    picture = found[0].data
    assert picture.shape == (ROWS, 10)
    assert (picture[: ROWS // 2] == 0).all()
    assert (picture[ROWS // 2 :] == 127).all()
