"""Utterances: codes of chunks arrive in any order, audio leaves in the order of the text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backends.base import AudioChunk, Failed, Finished, Job
from backends.common.seeds import piece_seed
from backends.fish.generation import PreparedText, Sizes, TextChunk
from backends.fish.options import FishOptions
from backends.fish.utterance import Utterance

SIZES = Sizes(22050, 1024, 4)
NO_CODES = SIZES.no_codes


def codes(value: int, count: int = 2) -> np.ndarray:
    return np.full((4, count), value)


def utterance(chunks: int, speed: float = 1.0) -> Utterance:
    rows = np.zeros((5, 3), np.int32)
    text = PreparedText(tuple(TextChunk((i * 10, i * 10 + 10), rows) for i in range(chunks)))
    return Utterance(Job("job", "text", 1, speed=speed), FishOptions(), text, NO_CODES, SIZES, max_voice_frames=9)


def audio(value: float, samples: int = 4) -> np.ndarray:
    return np.full(samples, value, np.float32)


def test_first_chunk_is_decoded_while_it_is_generated() -> None:
    job = utterance(1)
    _, (item,) = job.add_codes(0, codes(1), ended=False)
    assert (item.key, item.codes.shape, item.last) == (("job", 0), (4, 2), False)
    _, (item,) = job.add_codes(0, NO_CODES, ended=True)
    assert (item.codes.shape, item.last) == ((4, 0), True)
    events, inputs = job.add_audio(audio(0.1), last=True)
    assert [type(event) for event in events] == [AudioChunk, Finished]
    assert not inputs


def test_later_chunk_waits_as_codes() -> None:
    job = utterance(3)
    assert job.add_codes(1, codes(5), ended=False) == ([], [])
    assert job.add_codes(1, codes(6), ended=True) == ([], [])
    job.add_codes(0, codes(1), ended=True)
    events, inputs = job.add_audio(audio(0.1), last=True)
    assert [(type(event), event.text_span) for event in events if isinstance(event, AudioChunk)] == [
        (AudioChunk, (0, 10))
    ]
    (item,) = inputs
    assert (item.key, item.last) == (("job", 1), True)
    np.testing.assert_array_equal(item.codes, np.concatenate([codes(5), codes(6)], axis=1))
    assert job.add_audio(audio(0.2), last=True)[1] == []  # chunk 2 has no codes yet
    _, (item,) = job.add_codes(2, codes(7), ended=True)
    assert item.key == ("job", 2)
    events, _ = job.add_audio(audio(0.3), last=True)
    assert isinstance(events[-1], Finished)


def test_chunk_without_codes_is_decoded_as_empty() -> None:
    job = utterance(2)
    job.add_codes(1, NO_CODES, ended=True)
    job.add_codes(0, codes(1), ended=True)
    _, inputs = job.add_audio(audio(0.1), last=True)
    assert [(item.codes.shape, item.last) for item in inputs] == [((4, 0), True)]
    events, _ = job.add_audio(audio(0.1, samples=0), last=True)
    assert [type(event) for event in events] == [Finished]


def test_job_without_audio_fails() -> None:
    job = utterance(1)
    job.add_codes(0, NO_CODES, ended=True)
    events, _ = job.add_audio(audio(0, samples=0), last=True)
    assert [type(event) for event in events] == [Failed]


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_speed_changes_the_length_of_all_chunks(speed: float) -> None:
    job = utterance(2, speed)
    total = 0
    wave = np.sin(np.arange(22050) / 10).astype(np.float32)
    for index in range(2):
        job.add_codes(index, codes(1), ended=True)
        for part, last in ((wave[:10000], False), (wave[10000:], True)):
            for event in job.add_audio(part, last)[0]:
                total += len(event.samples) if isinstance(event, AudioChunk) else 0
    assert total == pytest.approx(2 * 22050 / speed, rel=0.05)


def test_first_chunk_has_the_jobs_seed_and_later_ones_their_own() -> None:
    assert piece_seed(42, 0) == 42
    seeds = {piece_seed(seed, index) for seed in (42, 43) for index in range(4)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)


class VoiceOnly:
    """A front end whose prompts are the voice's codes."""

    def prompt(self, chunk: TextChunk, voice: np.ndarray) -> np.ndarray:
        return voice


def test_later_chunks_wait_for_the_codes_of_the_first() -> None:
    job = utterance(3)
    job.text = replace(job.text, voice_from_first_chunk=True)
    (first,) = job.next_sequences(VoiceOnly())  # type: ignore[arg-type]
    assert (first.id, first.frames) == (("job", 0), 0)
    job.add_codes(0, codes(1, count=7), ended=False)
    assert list(job.next_sequences(VoiceOnly())) == []  # type: ignore[arg-type]
    job.add_codes(0, NO_CODES, ended=True)
    later = list(job.next_sequences(VoiceOnly()))  # type: ignore[arg-type]
    assert [(sequence.id, sequence.frames) for sequence in later] == [(("job", 1), 4), (("job", 2), 4)]  # of 9 at most
    assert list(job.next_sequences(VoiceOnly())) == []  # type: ignore[arg-type]


def test_chunks_wait_while_the_reference_is_encoded() -> None:
    job = utterance(2)
    job.voice = None
    assert list(job.next_sequences(VoiceOnly())) == []  # type: ignore[arg-type]
    job.voice = codes(3)
    assert [sequence.id for sequence in job.next_sequences(VoiceOnly())] == [("job", 0), ("job", 1)]  # type: ignore[arg-type]
