"""Decoding codes as they come: as early as it is exact, and the same as all at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from fish.codec_synthetic import decode_whole, load_synthetic, random_codes

from backends.errors import FatalFault
from backends.fish.v0_2.codec.stream import FIRST_FRAMES, StreamDecoder
from backends.fish.v0_2.codec.vqgan import VQGAN, Codes
from backends.fish.v0_2.codec.windowed import Memory, Window

REACH = 19  # code frames the codec hears to each side
ROUNDING = 3e-6  # of the network in float32, depending on how kernels cut their work


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    return load_synthetic(tmp_path_factory.mktemp("small"), small=True)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    """In double precision, where rounding hides nothing."""
    return load_synthetic(tmp_path_factory.mktemp("exact"), small=True, dtype=torch.float64)


class Listener:
    """Collects what a decoder says and checks the form of it."""

    def __init__(self, decoder: StreamDecoder):
        self.decoder = decoder
        self.heard: dict[str, list[np.ndarray]] = {}
        self.ended: list[str] = []
        self.steps: list[list[tuple[str, int]]] = []

    def drain(self) -> None:
        while self.decoder.busy:
            results = self.decoder.step()
            assert results
            self.steps.append([(key, len(audio) // 1024) for key, audio, _ in results])
            for key, audio, last in results:
                assert isinstance(audio, np.ndarray)
                assert audio.dtype == np.float32
                assert audio.ndim == 1
                assert key not in self.ended
                self.heard.setdefault(key, []).append(audio)
                self.ended += [key] * last

    def frames(self, key: str) -> int:
        return sum(len(audio) for audio in self.heard.get(key, [])) // 1024

    def audio(self, key: str) -> np.ndarray:
        assert key in self.ended
        return np.concatenate(self.heard[key])


def pieces(codes: Codes, sizes: Iterator[int]) -> list[Codes]:
    """Codes cut into pieces of those sizes and what is left."""
    cut, start = [], 0
    for size in sizes:
        cut.append(codes[:, start : start + size])
        start += size
        if start >= codes.shape[1]:
            break
    return cut


def sizes(pattern: str) -> Iterator[int]:
    random = np.random.default_rng(3)
    while True:
        yield {"singly": 1, "by seven": 7, "at random": int(random.integers(0, 30)), "at once": 1000}[pattern]


def listen(codec: VQGAN, codes: Codes, pattern: str, early: bool = True, empty_end: bool = False) -> Listener:
    listener = Listener(StreamDecoder(codec))
    parts = pieces(codes, sizes(pattern))
    for index, part in enumerate(parts):
        listener.decoder.push("a", part, last=index == len(parts) - 1 and not empty_end, early=early)
        listener.drain()
    if empty_end:
        assert listener.ended == []
        listener.decoder.push("a", codes[:, :0], last=True)
        listener.drain()
    assert listener.ended == ["a"]
    assert len(listener.decoder) == 0
    return listener


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("frames", [1, 4, 5, 19, 20, 23, 24, 61, 100])
def test_the_stream_is_the_whole_however_it_comes(small: VQGAN, frames: int, early: bool) -> None:
    codes = random_codes(frames, seed=frames)
    whole = decode_whole(small, codes)
    once = listen(small, codes, "at once", early).audio("a")
    assert once.shape == whole.shape
    assert np.abs(once - whole).max() <= ROUNDING
    for pattern in ("singly", "by seven", "at random"):
        # windows depend on the job alone, so that not even the rounding does on how the codes came
        audio = listen(small, codes, pattern, early, empty_end=pattern != "singly").audio("a")
        np.testing.assert_array_equal(audio, once)


def test_the_full_size_stream_is_the_whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    codec = load_synthetic(tmp_path_factory.mktemp("codec"))
    codes = random_codes(40)
    assert np.abs(listen(codec, codes, "singly").audio("a") - decode_whole(codec, codes)).max() <= ROUNDING


@pytest.mark.parametrize("ends", [[1, 2, 3, 60], [4, 8, 20, 47, 60], [59, 60], [60]])
def test_windows_are_exact(exact: VQGAN, ends: list[int]) -> None:
    codes = random_codes(ends[-1])
    memories: list[Memory] = [[]]
    waves, fed, start = [], 0, 0
    with torch.inference_mode():
        for end in ends:
            window = exact.chain.window(start, end, ends[-1])
            new = exact.to_device(codes[None, :, fed : fed + window.frames])
            wave, memories = exact.chain.advance(memories, new, window)
            waves.append(wave[0, 0].numpy())
            fed, start = fed + window.frames, end
    assert fed == ends[-1]
    assert np.abs(np.concatenate(waves) - decode_whole(exact, codes)).max() <= 1e-12


@pytest.mark.parametrize(
    ("left", "right", "enough"), [(REACH, REACH, True), (REACH - 1, REACH, False), (REACH, REACH - 1, False)]
)
def test_a_frame_less_of_context_would_be_heard(exact: VQGAN, left: int, right: int, enough: bool) -> None:
    codes = random_codes(60)
    whole = decode_whole(exact, codes)[28 * 1024 : 32 * 1024]
    part = decode_whole(exact, codes[:, 28 - left : 32 + right])[left * 1024 : (left + 4) * 1024]
    assert (np.abs(part - whole).max() <= 1e-12) == enough
    assert exact.chain.needed(32) == 32 + REACH
    assert exact.chain.needed(32, total=40) == 40


def test_audio_comes_as_soon_as_it_is_exact(small: VQGAN) -> None:
    listener = Listener(StreamDecoder(small))
    codes = random_codes(200)
    came = {}
    for frame in range(200):
        assert not listener.decoder.busy
        listener.decoder.push("a", codes[:, frame : frame + 1], last=False)
        listener.drain()
        came.setdefault(listener.frames("a"), frame + 1)
    assert list(came)[:9] == [0, 4, 8, 12, 16, 24, 32, 48, 64]
    assert all(frames + REACH == known for frames, known in came.items() if frames)
    # codes that come half again as fast as they sound: nobody waits for the next window
    heard = [frames for frames in came if frames]
    first = came[FIRST_FRAMES]
    assert all((came[later] - first) / 1.5 <= frames for frames, later in pairwise(heard))
    # and the windows get wide soon
    assert max(later - frames for frames, later in pairwise(heard)) == 16
    assert len(heard) <= 16


def test_windows_are_wide_at_once_when_nobody_listens(small: VQGAN) -> None:
    listener = Listener(StreamDecoder(small))
    codes = random_codes(40)
    listener.decoder.push("a", codes[:, :34], last=False, early=False)
    assert not listener.decoder.busy
    listener.decoder.push("a", codes[:, 34:], last=True)
    listener.drain()
    assert [frames for step in listener.steps for _, frames in step] == [16, 16, 8]


def test_jobs_together_are_jobs_alone(small: VQGAN) -> None:
    listener = Listener(StreamDecoder(small, step_frames=100))
    jobs = {f"job {index}": random_codes(frames, index) for index, frames in enumerate((60, 60, 33, 1, 0, 45, 60))}
    starts = {key: 5 * index for index, key in enumerate(jobs)}
    for frame in range(100):
        for key, codes in jobs.items():
            place = frame - starts[key]
            if 0 <= place < max(1, codes.shape[1]):
                listener.decoder.push(key, codes[:, place : place + 1], last=place >= codes.shape[1] - 1)
        listener.drain()
    assert len(listener.decoder) == 0
    for key, codes in jobs.items():
        audio = listener.audio(key)
        assert audio.shape == (1024 * codes.shape[1],)
        if audio.size:
            assert np.abs(audio - decode_whole(small, codes)).max() <= ROUNDING


def test_equal_windows_share_a_pass(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    advance = small.chain.advance

    def counted(memories: list[Memory], fed: torch.Tensor, window: Window) -> tuple[torch.Tensor, list[Memory]]:
        passes.append(len(memories))
        return advance(memories, fed, window)

    monkeypatch.setattr(small.chain, "advance", counted)
    decoder = StreamDecoder(small, step_frames=1000)
    for index in range(5):
        decoder.push(f"job {index}", random_codes(40, index), last=False)
    decoder.push("other", random_codes(10), last=True)
    assert {key for key, _, _ in decoder.step()} == {*(f"job {index}" for index in range(5)), "other"}
    assert sorted(passes) == [1, 5]


def test_steps_are_bounded_and_serve_in_turn(small: VQGAN) -> None:
    listener = Listener(StreamDecoder(small, widest=16, step_frames=18))
    for index in range(6):
        listener.decoder.push(f"job {index}", random_codes(100, index), last=True, early=False)
    listener.drain()
    assert all(sum(frames for _, frames in step) <= 16 for step in listener.steps)
    turns = [key for step in listener.steps for key, _ in step]
    assert turns[:6] == turns[6:12] == [f"job {index}" for index in range(6)]
    # a step holds one window even where the window is more than a step should be
    narrow = Listener(StreamDecoder(small, widest=16, step_frames=1))
    narrow.decoder.push("a", random_codes(20), last=True, early=False)
    narrow.drain()
    assert narrow.steps == [[("a", 16)], [("a", 4)]]


def test_a_gpu_gets_wide_windows_and_many_of_them(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(small, "device", torch.device("cuda", 0))
        decoder = StreamDecoder(small)
    listener = Listener(decoder)
    for index in range(8):
        listener.decoder.push(f"job {index}", random_codes(66, index), last=True, early=False)
    listener.drain()
    assert listener.steps[0] == [(f"job {index}", 64) for index in range(7)]
    assert np.abs(listener.audio("job 7") - decode_whole(small, random_codes(66, 7))).max() <= ROUNDING


def test_memory_is_bounded(small: VQGAN) -> None:
    decoder = StreamDecoder(small)
    held = []
    for index in range(20):
        decoder.push("a", random_codes(16, index), last=False)
        while decoder.busy:
            decoder.step()
        job = decoder._jobs["a"]
        assert job.codes.base is None or job.codes.base.size <= 4 * 64
        held.append(sum(tensor.untyped_storage().nbytes() for tensor in job.memory))
    assert len(set(held[8:])) == 1
    assert held[-1] < 200_000


def test_who_is_removed_is_gone(small: VQGAN) -> None:
    listener = Listener(StreamDecoder(small))
    decoder = listener.decoder
    for key in ("a", "b", "c"):
        decoder.push(key, random_codes(50), last=False)
    decoder.remove({"a", "nobody"})
    listener.drain()
    assert sorted(listener.heard) == ["b", "c"]
    decoder.remove(["b", "c"])
    assert not decoder.busy
    assert len(decoder) == 0
    listener.heard.clear()
    decoder.push("b", random_codes(6, seed=9), last=True)  # a new job under an old name
    listener.drain()
    assert np.abs(listener.audio("b") - decode_whole(small, random_codes(6, seed=9))).max() <= ROUNDING


def test_a_wrong_push_changes_nothing(small: VQGAN) -> None:
    listener = Listener(StreamDecoder(small))
    with pytest.raises(ValueError, match="not 160 to 160"):
        listener.decoder.push("a", np.full((4, 3), 160), last=False)
    assert len(listener.decoder) == 0
    codes = random_codes(30)
    listener.decoder.push("a", codes[:, :25], last=False)
    for wrong in (np.full((4, 3), -1), np.zeros((3, 2), np.int64), np.zeros((4, 2), np.float32)):
        with pytest.raises(ValueError, match="codes"):
            listener.decoder.push("a", wrong, last=True)
    listener.decoder.push("a", codes[:, 25:], last=True)
    with pytest.raises(ValueError, match="a: codes after the last ones"):
        listener.decoder.push("a", codes[:, :0], last=True)
    listener.drain()
    assert np.abs(listener.audio("a") - decode_whole(small, codes)).max() <= ROUNDING


def test_what_fails_fails_alone(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = small.chain.advance
    marked = np.zeros((4, 40), np.int64)

    def full(memories: list[Memory], fed: torch.Tensor, window: Window) -> tuple[torch.Tensor, list[Memory]]:
        if window.frames and not fed.flatten(1).any(1).all():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return advance(memories, fed, window)

    monkeypatch.setattr(small.chain, "advance", full)
    decoder = StreamDecoder(small, step_frames=1000)
    for key, codes in (("a", random_codes(40, 1)), ("b", marked), ("c", random_codes(40, 2))):
        decoder.push(key, codes, last=True)
    results = {key: (audio, last) for key, audio, last in decoder.step()}
    assert results["b"] == ("CUDA out of memory", True)
    assert len(decoder) == 2
    listener = Listener(decoder)
    for key in ("a", "c"):
        audio, last = results[key]
        assert isinstance(audio, np.ndarray)
        assert not last
        listener.heard[key] = [audio]
    listener.drain()
    for seed, key in ((1, "a"), (2, "c")):
        assert np.abs(listener.audio(key) - decode_whole(small, random_codes(40, seed))).max() <= ROUNDING


def test_a_lost_device_is_fatal(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(small.chain, "advance", lost)
    decoder = StreamDecoder(small)
    decoder.push("a", random_codes(3), last=True)
    with pytest.raises(FatalFault, match="unspecified launch failure"):
        decoder.step()
