"""A job's pieces: codes come in any order, audio leaves in the text's."""

from __future__ import annotations

import numpy as np
import pytest

from backends.base import AudioChunk, Failed, Finished
from backends.common.seeds import piece_seed
from backends.fish.utterance import Piece, Speaking

NONE = np.zeros((4, 0), np.int64)


def frames(value: int, count: int = 2) -> np.ndarray:
    return np.full((4, count), value)


def speaking(pieces: int, speed: float = 1.0) -> Speaking:
    rows = np.zeros((5, 3), np.int32)
    return Speaking("job", [Piece((i * 10, i * 10 + 10), rows, i) for i in range(pieces)], NONE, False, speed, False)


def sound(value: float, samples: int = 4) -> np.ndarray:
    return np.full(samples, value, np.float32)


def test_the_first_piece_is_decoded_while_it_grows() -> None:
    job = speaking(1)
    (push,) = job.grew(0, frames(1), ended=False)
    assert (push.key, push.codes.shape, push.last) == ("job/0", (4, 2), False)
    (push,) = job.grew(0, NONE, ended=True)
    assert (push.codes.shape, push.last) == ((4, 0), True)
    events, pushes = job.heard(sound(0.1), last=True)
    assert [type(event) for event in events] == [AudioChunk, Finished]
    assert not pushes


def test_a_piece_that_is_ahead_waits_as_codes() -> None:
    job = speaking(3)
    assert job.grew(1, frames(5), ended=False) == []
    assert job.grew(1, frames(6), ended=True) == []
    job.grew(0, frames(1), ended=True)
    events, pushes = job.heard(sound(0.1), last=True)
    assert [(type(event), event.text_span) for event in events if isinstance(event, AudioChunk)] == [
        (AudioChunk, (0, 10))
    ]
    (push,) = pushes
    assert (push.key, push.last) == ("job/1", True)
    np.testing.assert_array_equal(push.codes, np.concatenate([frames(5), frames(6)], axis=1))
    assert job.heard(sound(0.2), last=True)[1] == []  # piece 2 has not begun
    (push,) = job.grew(2, frames(7), ended=True)
    assert push.key == "job/2"
    events, _ = job.heard(sound(0.3), last=True)
    assert isinstance(events[-1], Finished)


def test_a_piece_that_turned_out_empty_is_passed_to_the_decoder_as_such() -> None:
    job = speaking(2)
    job.grew(1, NONE, ended=True)
    job.grew(0, frames(1), ended=True)
    _, pushes = job.heard(sound(0.1), last=True)
    assert [(push.codes.shape, push.last) for push in pushes] == [((4, 0), True)]
    events, _ = job.heard(sound(0.1, samples=0), last=True)
    assert [type(event) for event in events] == [Finished]


def test_a_job_without_any_sound_fails() -> None:
    job = speaking(1)
    job.grew(0, NONE, ended=True)
    events, _ = job.heard(sound(0, samples=0), last=True)
    assert [type(event) for event in events] == [Failed]


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_speed_changes_the_length_of_the_whole(speed: float) -> None:
    job = speaking(2, speed)
    total = 0
    wave = np.sin(np.arange(22050) / 10).astype(np.float32)
    for index in range(2):
        job.grew(index, frames(1), ended=True)
        for part, last in ((wave[:10000], False), (wave[10000:], True)):
            for event in job.heard(part, last)[0]:
                total += len(event.samples) if isinstance(event, AudioChunk) else 0
    assert total == pytest.approx(2 * 22050 / speed, rel=0.05)


def test_the_first_piece_has_the_jobs_seed_and_others_seeds_of_their_own() -> None:
    assert piece_seed(42, 0) == 42
    seeds = {piece_seed(seed, index) for seed in (42, 43) for index in range(4)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)
