"""Codec jobs: windowed encoding, and jobs beside speech."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support.fish.codec import load_synthetic, random_codes
from support.fish.model import write_model

from backends.base import AudioChunk, CodesChunk, DecodeJob, EncodeJob, EngineConfig, Event, Failed, Finished, Job
from backends.errors import InvalidJob
from backends.fish.engine import FishEngine
from backends.fish.plugin import FishPlugin
from backends.fish.v0_2.codec.encoding import WindowedEncoder
from backends.fish.v0_2.codec.vqgan import VQGAN
from backends.fish.v0_2.config import FRAME_SAMPLES, HOP_SAMPLES, RATE_HZ


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    """A codec in double precision, where rounding in windows does not change a code."""
    return load_synthetic(tmp_path_factory.mktemp("codec"), small=True, dtype=torch.float64)


@pytest.mark.parametrize("window", [1, 7, 100, 500])
@pytest.mark.parametrize(
    "samples", [FRAME_SAMPLES, 40 * FRAME_SAMPLES + 5 * HOP_SAMPLES // 4, 233 * FRAME_SAMPLES + 777]
)
def test_windowed_encoding_gives_the_codes_of_the_whole(codec: VQGAN, samples: int, window: int) -> None:
    audio = noise(samples)
    encoder = WindowedEncoder(codec, audio, window)
    parts = []
    while not encoder.complete:
        parts.append(encoder.step())
    assert all(part.shape[1] <= window for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), codec.encode([audio])[0])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FishEngine]:
    model = {**write_model(tmp_path_factory.mktemp("fish")), "languages": ["en"]}
    defaults = {"max_new_tokens": 12, "use_g2p": False}
    loaded = FishPlugin(EngineConfig("fish", device="cpu", dtype="float32", model=model, defaults=defaults)).load()
    yield loaded
    loaded.close()


def run(engine: FishEngine, *job_ids: str) -> dict[str, list[Event]]:
    """Step until these jobs have ended; return the events of each."""
    waiting, events = set(job_ids), {job_id: [] for job_id in job_ids}
    for _ in range(5000):
        for event in engine.step():
            events[event.job_id].append(event)
            if isinstance(event, (Finished, Failed)):
                waiting.remove(event.job_id)
        if not waiting:
            return events
    raise AssertionError(f"{waiting} did not end")


def codes_of(events: list[Event]) -> np.ndarray:
    return np.concatenate([event.codes for event in events if isinstance(event, CodesChunk)], axis=1)


def audio_of(events: list[Event]) -> np.ndarray:
    return np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])


def test_encode_job_resamples_and_gives_the_codes_of_a_reference(engine: FishEngine) -> None:
    engine.convert(EncodeJob("own", noise(50 * FRAME_SAMPLES), RATE_HZ))
    engine.convert(EncodeJob("other", noise(48000), 48000))
    events = run(engine, "own", "other")
    expected = engine._pipeline.codec.encode([noise(50 * FRAME_SAMPLES)])[0]
    np.testing.assert_array_equal(codes_of(events["own"]), expected)
    assert codes_of(events["other"]).shape == (4, -(-(RATE_HZ // HOP_SAMPLES) // 4))
    assert isinstance(events["own"][-1], Finished)


def test_decode_job_gives_the_audio_of_the_whole_in_several_chunks(engine: FishEngine) -> None:
    codes = random_codes(60)
    engine.convert(DecodeJob("a", codes))
    events = run(engine, "a")["a"]
    assert len(events) > 2
    np.testing.assert_allclose(audio_of(events), engine._pipeline.codec.decode([codes])[0], atol=1e-6)


def test_speech_continues_unchanged_beside_long_codec_jobs(engine: FishEngine) -> None:
    engine.add(Job("speech", "Hello there.", 1))
    expected = audio_of(run(engine, "speech")["speech"])
    engine.convert(EncodeJob("long", noise(70 * RATE_HZ), RATE_HZ))
    engine.convert(EncodeJob("short", noise(RATE_HZ), RATE_HZ))
    engine.convert(DecodeJob("codes", random_codes(400)))
    engine.add(Job("speech", "Hello there.", 1))
    ended = []
    events: dict[str, list[Event]] = {name: [] for name in ("long", "short", "codes", "speech")}
    while len(ended) < 4:
        for event in engine.step():
            events[event.job_id].append(event)
            ended += [event.job_id] * isinstance(event, Finished)
    assert ended[0] == "short"
    assert ended.index("speech") < ended.index("codes")
    assert len([event for event in events["long"] if isinstance(event, CodesChunk)]) > 10
    np.testing.assert_allclose(audio_of(events["speech"]), expected, atol=2e-6)
    assert audio_of(events["codes"]).shape == (400 * FRAME_SAMPLES,)


@pytest.mark.parametrize(
    ("job", "param"),
    [
        (EncodeJob("a", noise(FRAME_SAMPLES - 1), RATE_HZ), "audio"),
        (EncodeJob("a", noise(121 * 8000), 8000), "audio"),
        (EncodeJob("a", np.full(RATE_HZ, np.nan, np.float32), RATE_HZ), "audio"),
        (DecodeJob("a", random_codes(0)), "codes"),
        (DecodeJob("a", random_codes(2586)), "codes"),
        (DecodeJob("a", random_codes(9)[:3]), "codes"),
        (DecodeJob("a", random_codes(9) + 160), "codes"),
        (DecodeJob("a", random_codes(9) - 160), "codes"),
    ],
)
def test_invalid_job_is_rejected_and_leaves_nothing(engine: FishEngine, job: EncodeJob | DecodeJob, param: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        engine.convert(job)
    assert caught.value.param == param
    assert engine.step() == ()


def test_failing_encode_job_fails_alone(engine: FishEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.convert(EncodeJob("bad", noise(RATE_HZ), RATE_HZ))
    engine.convert(DecodeJob("good", random_codes(30)))

    def broken(self: WindowedEncoder) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(WindowedEncoder, "step", broken)
    events = run(engine, "bad", "good")
    (failed,) = events["bad"]
    assert isinstance(failed, Failed)
    assert "no memory" in failed.message
    assert isinstance(events["good"][-1], Finished)
    assert engine.step() == ()


def test_decoder_error_fails_the_decode_job(engine: FishEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no memory")

    engine.convert(DecodeJob("a", random_codes(30)))
    monkeypatch.setattr(engine._pipeline.codec.chain, "advance", broken)
    (failed,) = run(engine, "a")["a"]
    assert isinstance(failed, Failed)
    assert "no memory" in failed.message


def test_aborted_codec_jobs_leave_nothing(engine: FishEngine) -> None:
    engine.convert(EncodeJob("a", noise(30 * RATE_HZ), RATE_HZ))
    engine.convert(DecodeJob("b", random_codes(300)))
    engine.step()
    for job_id in ("a", "b", "b", "unknown"):
        engine.abort(job_id)
    assert engine.step() == ()
    assert not len(engine._pipeline.decoder)
