"""Streaming decoding: audio is returned as soon as it is final, and equals decoding the whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from support.fish.codec import decode_whole, load_synthetic, random_codes

from backends.base import Codes
from backends.errors import FatalFault
from backends.fish.generation import DecoderOutput
from backends.fish.v0_2.codec.stream import FIRST_FRAMES, StreamDecoder
from backends.fish.v0_2.codec.vqgan import VQGAN
from backends.fish.v0_2.codec.windowed import ChainState, Window

REACH = 19  # receptive field of the decoder on each side, in code frames
ROUNDING = 3e-6  # in float32: kernels depend on the lengths of their inputs

Advanced = tuple[torch.Tensor, list[ChainState]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    return load_synthetic(tmp_path_factory.mktemp("small"), small=True)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> VQGAN:
    """A codec in double precision, where errors are not hidden by rounding."""
    return load_synthetic(tmp_path_factory.mktemp("exact"), small=True, dtype=torch.float64)


class Collector:
    """Collects a decoder's outputs and checks their form."""

    def __init__(self, decoder: StreamDecoder):
        self.decoder = decoder
        self.chunks: dict[str, list[np.ndarray]] = {}
        self.ended: list[str] = []
        self.steps: list[list[tuple[str, int]]] = []

    def drain(self) -> None:
        while self.decoder.busy:
            results = self.decoder.step()
            assert results
            self.steps.append([(output.key[0], len(output.samples) // 1024) for output in results])
            for output in results:
                assert output.failure is None
                self.add(output)

    def add(self, output: DecoderOutput) -> None:
        job_id, audio = output.key[0], output.samples
        assert audio.dtype == np.float32
        assert audio.ndim == 1
        assert job_id not in self.ended
        self.chunks.setdefault(job_id, []).append(audio)
        self.ended += [job_id] * output.last

    def frames(self, key: str) -> int:
        return sum(len(audio) for audio in self.chunks.get(key, [])) // 1024

    def audio(self, key: str) -> np.ndarray:
        assert key in self.ended
        return np.concatenate(self.chunks[key])


def split(codes: Codes, sizes: Iterator[int]) -> list[Codes]:
    """Split codes into parts of the given sizes."""
    parts, start = [], 0
    for size in sizes:
        parts.append(codes[:, start : start + size])
        start += size
        if start >= codes.shape[1]:
            break
    return parts


def sizes(pattern: str) -> Iterator[int]:
    random = np.random.default_rng(3)
    while True:
        yield {"singly": 1, "by seven": 7, "at random": int(random.integers(0, 30)), "at once": 1000}[pattern]


def stream(codec: VQGAN, codes: Codes, pattern: str, low_latency: bool = True, empty_end: bool = False) -> Collector:
    collector = Collector(StreamDecoder(codec))
    parts = split(codes, sizes(pattern))
    for index, part in enumerate(parts):
        collector.decoder.push(("a", 0), part, last=index == len(parts) - 1 and not empty_end, low_latency=low_latency)
        collector.drain()
    if empty_end:
        assert collector.ended == []
        collector.decoder.push(("a", 0), codes[:, :0], last=True)
        collector.drain()
    assert collector.ended == ["a"]
    assert len(collector.decoder) == 0
    return collector


@pytest.mark.parametrize("low_latency", [False, True])
@pytest.mark.parametrize("frames", [1, 4, 5, 19, 20, 23, 24, 61, 100])
def test_stream_equals_the_whole_for_any_pattern_of_arrival(small: VQGAN, frames: int, low_latency: bool) -> None:
    codes = random_codes(frames, seed=frames)
    whole = decode_whole(small, codes)
    once = stream(small, codes, "at once", low_latency).audio("a")
    assert once.shape == whole.shape
    assert np.abs(once - whole).max() <= ROUNDING
    for pattern in ("singly", "by seven", "at random"):
        # bit for bit: windows depend on the stream alone, not on how codes arrive
        audio = stream(small, codes, pattern, low_latency, empty_end=pattern != "singly").audio("a")
        np.testing.assert_array_equal(audio, once)


def test_full_size_stream_equals_the_whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    codec = load_synthetic(tmp_path_factory.mktemp("codec"))
    codes = random_codes(40)
    assert np.abs(stream(codec, codes, "singly").audio("a") - decode_whole(codec, codes)).max() <= ROUNDING


@pytest.mark.parametrize("ends", [[1, 2, 3, 60], [4, 8, 20, 47, 60], [59, 60], [60]])
def test_windows_of_any_length_are_exact(exact: VQGAN, ends: list[int]) -> None:
    codes = random_codes(ends[-1])
    states: list[ChainState] = [[]]
    waves, read, start = [], 0, 0
    with torch.inference_mode():
        for end in ends:
            window = exact.chain.window(start, end, ends[-1])
            new = exact.to_device(codes[None, :, read : read + window.frames])
            wave, states = exact.chain.advance(states, new, window)
            waves.append(wave[0, 0].numpy())
            read, start = read + window.frames, end
    assert read == ends[-1]
    assert np.abs(np.concatenate(waves) - decode_whole(exact, codes)).max() <= 1e-12


@pytest.mark.parametrize(
    ("left", "right", "enough"), [(REACH, REACH, True), (REACH - 1, REACH, False), (REACH, REACH - 1, False)]
)
def test_one_frame_less_of_context_changes_the_audio(exact: VQGAN, left: int, right: int, enough: bool) -> None:
    codes = random_codes(60)
    whole = decode_whole(exact, codes)[28 * 1024 : 32 * 1024]
    part = decode_whole(exact, codes[:, 28 - left : 32 + right])[left * 1024 : (left + 4) * 1024]
    assert (np.abs(part - whole).max() <= 1e-12) == enough
    assert exact.chain.needed(32) == 32 + REACH
    assert exact.chain.needed(32, total=40) == 40


def test_audio_is_returned_as_soon_as_it_is_final(small: VQGAN) -> None:
    collector = Collector(StreamDecoder(small))
    codes = random_codes(200)
    known_at = {}
    for frame in range(200):
        assert not collector.decoder.busy
        collector.decoder.push(("a", 0), codes[:, frame : frame + 1], last=False)
        collector.drain()
        known_at.setdefault(collector.frames("a"), frame + 1)
    assert list(known_at)[:9] == [0, 4, 8, 12, 16, 24, 32, 48, 64]
    assert all(frames + REACH == known for frames, known in known_at.items() if frames)
    # with codes at 1.5 times real time, playback never stalls
    ends = [frames for frames in known_at if frames]
    first = known_at[FIRST_FRAMES]
    assert all((known_at[later] - first) / 1.5 <= frames for frames, later in pairwise(ends))
    # and windows soon reach full length
    assert max(later - frames for frames, later in pairwise(ends)) == 16
    assert len(ends) <= 16


def test_windows_have_full_length_at_once_without_low_latency(small: VQGAN) -> None:
    collector = Collector(StreamDecoder(small))
    codes = random_codes(40)
    collector.decoder.push(("a", 0), codes[:, :34], last=False, low_latency=False)
    assert not collector.decoder.busy
    collector.decoder.push(("a", 0), codes[:, 34:], last=True)
    collector.drain()
    assert [frames for step in collector.steps for _, frames in step] == [16, 16, 8]


def test_streams_together_equal_each_alone(small: VQGAN) -> None:
    collector = Collector(StreamDecoder(small, step_frames=100))
    jobs = {f"job {index}": random_codes(frames, index) for index, frames in enumerate((60, 60, 33, 1, 0, 45, 60))}
    starts = {key: 5 * index for index, key in enumerate(jobs)}
    for frame in range(100):
        for key, codes in jobs.items():
            place = frame - starts[key]
            if 0 <= place < max(1, codes.shape[1]):
                collector.decoder.push((key, 0), codes[:, place : place + 1], last=place >= codes.shape[1] - 1)
        collector.drain()
    assert len(collector.decoder) == 0
    for key, codes in jobs.items():
        audio = collector.audio(key)
        assert audio.shape == (1024 * codes.shape[1],)
        if audio.size:
            assert np.abs(audio - decode_whole(small, codes)).max() <= ROUNDING


@pytest.mark.parametrize(("batched", "expected"), [(True, [1, 5]), (None, [1] * 6)], ids=["gpu", "cpu"])
def test_equal_windows_share_a_batch_on_a_gpu_only(
    small: VQGAN, monkeypatch: pytest.MonkeyPatch, batched: bool | None, expected: list[int]
) -> None:
    batches: list[int] = []
    advance = small.chain.advance

    def counted(
        states: list[ChainState], frames: torch.Tensor, window: Window
    ) -> tuple[torch.Tensor, list[ChainState]]:
        batches.append(len(states))
        return advance(states, frames, window)

    monkeypatch.setattr(small.chain, "advance", counted)
    decoder = StreamDecoder(small, step_frames=1000, batched=batched)
    for index in range(5):
        decoder.push((f"job {index}", 0), random_codes(40, index), last=False)
    decoder.push(("other", 0), random_codes(10), last=True)
    assert {output.key[0] for output in decoder.step()} == {*(f"job {index}" for index in range(5)), "other"}
    assert sorted(batches) == expected


def test_steps_are_bounded_and_round_robin(small: VQGAN) -> None:
    collector = Collector(StreamDecoder(small, max_window=16, step_frames=18))
    for index in range(6):
        collector.decoder.push((f"job {index}", 0), random_codes(100, index), last=True, low_latency=False)
    collector.drain()
    assert all(sum(frames for _, frames in step) <= 16 for step in collector.steps)
    turns = [key for step in collector.steps for key, _ in step]
    assert turns[:6] == turns[6:12] == [f"job {index}" for index in range(6)]
    # a step computes at least one window
    narrow = Collector(StreamDecoder(small, max_window=16, step_frames=1))
    narrow.decoder.push(("a", 0), random_codes(20), last=True, low_latency=False)
    narrow.drain()
    assert narrow.steps == [[("a", 16)], [("a", 4)]]


def test_gpu_computes_long_windows_of_many_streams(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(VQGAN, "device", torch.device("cuda", 0))
        decoder = StreamDecoder(small)
    collector = Collector(decoder)
    for index in range(8):
        collector.decoder.push((f"job {index}", 0), random_codes(66, index), last=True, low_latency=False)
    collector.drain()
    assert collector.steps[0] == [(f"job {index}", 64) for index in range(7)]
    assert np.abs(collector.audio("job 7") - decode_whole(small, random_codes(66, 7))).max() <= ROUNDING


def test_state_has_bounded_size(small: VQGAN) -> None:
    decoder = StreamDecoder(small)
    held = []
    for index in range(20):
        decoder.push(("a", 0), random_codes(16, index), last=False)
        while decoder.busy:
            decoder.step()
        state = decoder._streams["a", 0]
        assert state.codes.base is None or state.codes.base.size <= 4 * 64
        held.append(sum(tensor.untyped_storage().nbytes() for tensor in state.state))
    assert len(set(held[8:])) == 1
    assert held[-1] < 200_000


def test_removed_stream_has_no_further_output(small: VQGAN) -> None:
    collector = Collector(StreamDecoder(small))
    decoder = collector.decoder
    for key in ("a", "b", "c"):
        decoder.push((key, 0), random_codes(50), last=False)
    decoder.remove({("a", 0), ("unknown", 0)})
    collector.drain()
    assert sorted(collector.chunks) == ["b", "c"]
    decoder.remove([("b", 0), ("c", 0)])
    assert not decoder.busy
    assert len(decoder) == 0
    collector.chunks.clear()
    decoder.push(("b", 0), random_codes(6, seed=9), last=True)  # a new stream with an old key
    collector.drain()
    assert np.abs(collector.audio("b") - decode_whole(small, random_codes(6, seed=9))).max() <= ROUNDING


def test_invalid_push_changes_nothing(small: VQGAN) -> None:
    collector = Collector(StreamDecoder(small))
    with pytest.raises(ValueError, match="not 160 to 160"):
        collector.decoder.push(("a", 0), np.full((4, 3), 160), last=False)
    assert len(collector.decoder) == 0
    codes = random_codes(30)
    collector.decoder.push(("a", 0), codes[:, :25], last=False)
    for wrong in (np.full((4, 3), -1), np.zeros((3, 2), np.int64), np.zeros((4, 2), np.float32)):
        with pytest.raises(ValueError, match="codes"):
            collector.decoder.push(("a", 0), wrong, last=True)
    collector.decoder.push(("a", 0), codes[:, 25:], last=True)
    with pytest.raises(ValueError, match="is complete"):
        collector.decoder.push(("a", 0), codes[:, :0], last=True)
    collector.drain()
    assert np.abs(collector.audio("a") - decode_whole(small, codes)).max() <= ROUNDING


def test_failing_stream_fails_alone(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = small.chain.advance
    marked = np.zeros((4, 40), np.int64)

    def out_of_memory(
        states: list[ChainState], frames: torch.Tensor, window: Window
    ) -> tuple[torch.Tensor, list[ChainState]]:
        if window.frames and not frames.flatten(1).any(1).all():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return advance(states, frames, window)

    monkeypatch.setattr(small.chain, "advance", out_of_memory)
    decoder = StreamDecoder(small, step_frames=1000)
    for key, codes in (("a", random_codes(40, 1)), ("b", marked), ("c", random_codes(40, 2))):
        decoder.push((key, 0), codes, last=True)
    outputs = {output.key[0]: output for output in decoder.step()}
    assert (outputs["b"].failure, outputs["b"].last) == ("CUDA out of memory", True)
    assert len(decoder) == 2
    collector = Collector(decoder)
    for key in ("a", "c"):
        assert not outputs[key].last
        collector.add(outputs[key])
    collector.drain()
    for seed, key in ((1, "a"), (2, "c")):
        assert np.abs(collector.audio(key) - decode_whole(small, random_codes(40, seed))).max() <= ROUNDING


def test_lost_device_is_fatal(small: VQGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(small.chain, "advance", lost)
    decoder = StreamDecoder(small)
    decoder.push(("a", 0), random_codes(3), last=True)
    with pytest.raises(FatalFault, match="unspecified launch failure"):
        decoder.step()
