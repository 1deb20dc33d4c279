"""The codec for its own sake: windows of encoding, and jobs beside those that speak."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fish.codec_synthetic import load_synthetic, random_codes
from fish.small import write_model

from backends.base import AudioChunk, CodesMade, DecodeJob, EncodeJob, EngineConfig, Event, Failed, Finished, Job
from backends.errors import InvalidJob
from backends.fish.engine import FishEngine
from backends.fish.v0_2.codec.encoding import Encoding
from backends.fish.v0_2.codec.vqgan import VQGAN
from backends.fish.v0_2.config import CODE_SAMPLES, HOP_SAMPLES, RATE_HZ


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    """In double precision, where windows change nothing that could move a code."""
    return load_synthetic(tmp_path_factory.mktemp("codec"), small=True, dtype=torch.float64)


@pytest.mark.parametrize("window", [1, 7, 100, 500])
@pytest.mark.parametrize("samples", [CODE_SAMPLES, 40 * CODE_SAMPLES + 5 * HOP_SAMPLES // 4, 333 * CODE_SAMPLES + 777])
def test_windows_give_the_codes_of_the_whole(codec: VQGAN, samples: int, window: int) -> None:
    audio = noise(samples)
    encoding = Encoding(codec, audio, window)
    parts = []
    while not encoding.complete:
        parts.append(encoding.step())
    assert all(part.shape[1] <= window for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), codec.encode([audio])[0])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FishEngine]:
    model = write_model(tmp_path_factory.mktemp("fish"))
    defaults = {"max_new_tokens": 12, "use_g2p": False}
    made = FishEngine(EngineConfig("fish", device="cpu", dtype="float32", model=model, defaults=defaults))
    made.load()
    yield made
    made.close()


def run(engine: FishEngine, *waiting: str) -> dict[str, list[Event]]:
    """Step until these jobs have ended; what each came to."""
    left, found = set(waiting), {job_id: [] for job_id in waiting}
    for _ in range(5000):
        for event in engine.step():
            found[event.job_id].append(event)
            if isinstance(event, (Finished, Failed)):
                left.remove(event.job_id)
        if not left:
            return found
    raise AssertionError(f"{left} did not end")


def codes_of(events: list[Event]) -> np.ndarray:
    return np.concatenate([event.codes for event in events if isinstance(event, CodesMade)], axis=1)


def audio_of(events: list[Event]) -> np.ndarray:
    return np.concatenate([event.samples for event in events if isinstance(event, AudioChunk)])


def test_it_declares_its_codec(engine: FishEngine, tmp_path: Path) -> None:
    codec = FishEngine(engine._config).load().codec
    assert codec is not None
    assert (codec.codebooks, codec.codebook_size, codec.samples_per_frame) == (4, 160, 1024)


def test_a_sound_is_encoded_at_any_rate_as_a_reference_is(engine: FishEngine) -> None:
    engine.convert(EncodeJob("own", noise(50 * CODE_SAMPLES), RATE_HZ))
    engine.convert(EncodeJob("other", noise(48000), 48000))
    found = run(engine, "own", "other")
    np.testing.assert_array_equal(codes_of(found["own"]), engine._loaded.codec.encode([noise(50 * CODE_SAMPLES)])[0])
    assert codes_of(found["other"]).shape == (4, -(-(RATE_HZ // HOP_SAMPLES) // 4))
    assert isinstance(found["own"][-1], Finished)


def test_codes_are_decoded_in_windows_as_a_whole(engine: FishEngine) -> None:
    codes = random_codes(60)
    engine.convert(DecodeJob("a", codes))
    events = run(engine, "a")["a"]
    assert len(events) > 2
    np.testing.assert_allclose(audio_of(events), engine._loaded.codec.decode([codes])[0], atol=1e-6)


def test_speech_goes_on_beside_long_conversions_and_is_the_same(engine: FishEngine) -> None:
    engine.add(Job("speech", "Hello there.", 1))
    expected = audio_of(run(engine, "speech")["speech"])
    engine.convert(EncodeJob("long", noise(100 * RATE_HZ), RATE_HZ))
    engine.convert(EncodeJob("short", noise(RATE_HZ), RATE_HZ))
    engine.convert(DecodeJob("codes", random_codes(400)))
    engine.add(Job("speech", "Hello there.", 1))
    ended = []
    found: dict[str, list[Event]] = {name: [] for name in ("long", "short", "codes", "speech")}
    while len(ended) < 4:
        for event in engine.step():
            found[event.job_id].append(event)
            ended += [event.job_id] * isinstance(event, Finished)
    assert ended[0] == "short"
    assert ended.index("speech") < ended.index("codes")
    assert len([event for event in found["long"] if isinstance(event, CodesMade)]) > 10
    np.testing.assert_allclose(audio_of(found["speech"]), expected, atol=2e-6)
    assert audio_of(found["codes"]).shape == (400 * CODE_SAMPLES,)


@pytest.mark.parametrize(
    ("job", "param"),
    [
        (EncodeJob("a", noise(CODE_SAMPLES - 1), RATE_HZ), "audio"),
        (EncodeJob("a", noise(121 * 8000), 8000), "audio"),
        (EncodeJob("a", np.full(RATE_HZ, np.nan, np.float32), RATE_HZ), "audio"),
        (DecodeJob("a", random_codes(0)), "codes"),
        (DecodeJob("a", random_codes(2586)), "codes"),
        (DecodeJob("a", random_codes(9)[:3]), "codes"),
        (DecodeJob("a", random_codes(9) + 160), "codes"),
        (DecodeJob("a", random_codes(9) - 160), "codes"),
    ],
)
def test_what_is_of_no_use_is_refused_and_leaves_nothing(
    engine: FishEngine, job: EncodeJob | DecodeJob, param: str
) -> None:
    with pytest.raises(InvalidJob) as caught:
        engine.convert(job)
    assert caught.value.param == param
    assert engine.step() == ()


def test_a_conversion_that_fails_fails_alone(engine: FishEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.convert(EncodeJob("bad", noise(RATE_HZ), RATE_HZ))
    engine.convert(DecodeJob("good", random_codes(30)))

    def broken(self: Encoding) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(Encoding, "step", broken)
    found = run(engine, "bad", "good")
    (failed,) = found["bad"]
    assert isinstance(failed, Failed)
    assert "no memory" in failed.message
    assert isinstance(found["good"][-1], Finished)
    assert engine.step() == ()


def test_what_the_decoder_cannot_do_fails_its_job(engine: FishEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no memory")

    engine.convert(DecodeJob("a", random_codes(30)))
    monkeypatch.setattr(engine._loaded.codec.chain, "advance", broken)
    (failed,) = run(engine, "a")["a"]
    assert isinstance(failed, Failed)
    assert "no memory" in failed.message


def test_an_aborted_conversion_leaves_nothing(engine: FishEngine) -> None:
    engine.convert(EncodeJob("a", noise(30 * RATE_HZ), RATE_HZ))
    engine.convert(DecodeJob("b", random_codes(300)))
    engine.step()
    for job_id in ("a", "b", "b", "never was"):
        engine.abort(job_id)
    assert engine.step() == ()
    assert not len(engine._loaded.decoder)
