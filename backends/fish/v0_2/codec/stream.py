"""Streaming decoding: decodes codes while they are generated.

The decoder's receptive field extends 19 code frames to each side, so a frame's audio is final once the next 19 frames
are known, or the end is. The windows of a job depend on its own frames only: equal codes give equal audio, whenever
they arrive and whatever other jobs are decoded. On a GPU, equal windows of several jobs share a batch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from backends.base import Audio, Codes
from backends.common.device import fatal_when_lost
from backends.fish.generation import ChunkKey, DecoderOutput
from backends.fish.v0_2.codec.vqgan import VQGAN
from backends.fish.v0_2.codec.windowed import ChainState, Window

FIRST_FRAMES = 4  # of the first window with low latency: 0.19 s
MAX_WINDOW_FRAMES = {"cpu": 16, "cuda": 64}  # some 0.3 s of work on two cores
STEP_FRAMES = {"cpu": 18, "cuda": 512}  # cost limit of a step: one window on a CPU, enough to keep a GPU busy
WINDOW_COST = 2  # what a window computes a second time, in frames
BATCH_COST = {"cpu": 0, "cuda": 16}  # launching the kernels of one batch, in frames


@dataclass
class _Stream:
    """State of one stream of codes.

    :param codes: not decoded yet, (K, T), T in code frames.
    :param known: frames pushed so far.
    :param complete: whether all codes were pushed.
    :param done: frames decoded.
    """

    codes: Codes
    low_latency: bool
    state: ChainState = field(default_factory=list)
    known: int = 0
    complete: bool = False
    done: int = 0


@dataclass(frozen=True)
class _Turn:
    """The next window of one stream."""

    key: ChunkKey
    stream: _Stream
    window: Window
    end: int


class StreamDecoder:
    """Decodes many streams of codes. A stream is dropped after its last audio was returned.

    :param max_window: limit of frames per window; None: suited to the device.
    :param step_frames: cost limit of a step, in frames of audio; a step computes at least one window. None: suited to
        the device.
    :param batched: whether equal windows share a batch; None: on a GPU.
    """

    def __init__(
        self,
        codec: VQGAN,
        max_window: int | None = None,
        step_frames: int | None = None,
        batched: bool | None = None,
    ):
        self._codec = codec
        kind = codec.device.type
        self._batched = kind != "cpu" if batched is None else batched
        self._max_window = max_window or MAX_WINDOW_FRAMES[kind]
        self._step_frames = step_frames or STEP_FRAMES[kind]
        self._batch_cost = BATCH_COST[kind]
        self._streams: dict[ChunkKey, _Stream] = {}
        self._ready: dict[ChunkKey, int] = {}  # FIFO of streams whose next window can be computed, and its end

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def busy(self) -> bool:
        """Whether a step would compute anything now."""
        return bool(self._ready)

    def push(self, key: ChunkKey, codes: Codes, last: bool, low_latency: bool = True) -> None:
        """Append codes to a stream; a new key starts one.

        :param codes: integers, (K, T), T in code frames; T may be 0.
        :param last: whether the stream is complete.
        :param low_latency: whether the first windows are short; read on a stream's first push.
        :raises ValueError: if the codes are invalid, or the stream is complete already; the decoder is unchanged.
        """
        self._codec.check(codes)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(codes[:, :0], low_latency)
        elif stream.complete:
            raise ValueError(f"stream {key} is complete: no codes can follow")
        stream.codes = np.concatenate([stream.codes, codes], axis=1)
        stream.known += codes.shape[1]
        stream.complete = last
        self._enqueue(key, stream)

    def remove(self, keys: Collection[ChunkKey]) -> None:
        """Drop streams; unknown keys are ignored."""
        for key in keys:
            self._streams.pop(key, None)
            self._ready.pop(key, None)

    def step(self) -> list[DecoderOutput]:
        """Compute the next windows of the streams that have waited longest, up to the step's cost limit.

        A stream that fails, most often for lack of memory, is dropped.

        :raises FatalFault: if the device is lost.
        """
        outputs: list[DecoderOutput] = []
        for window, turns in self._next_turns().items():
            for turn, decoded in zip(turns, self._decode(window, turns), strict=True):
                stream = turn.stream
                stream.done = turn.end
                failure = decoded if isinstance(decoded, str) else None
                samples = np.zeros(0, np.float32) if isinstance(decoded, str) else decoded
                last = failure is not None or (stream.complete and stream.done == stream.known)
                outputs.append(DecoderOutput(turn.key, samples, last, failure))
                if last:
                    del self._streams[turn.key]
                else:
                    self._enqueue(turn.key, stream)
        return outputs

    def _enqueue(self, key: ChunkKey, stream: _Stream) -> None:
        if key not in self._ready and (end := self._end(stream)) is not None:
            self._ready[key] = end

    def _end(self, stream: _Stream) -> int | None:
        """The end of a stream's next window; None if codes for it are missing.

        With low latency, a window is at most half as long as the audio before it: codes that arrive 1.5 times as fast
        as real time keep playback from stalling, and windows soon reach full length. Lengths are doubled, because few
        different lengths give more equal windows, and CPU convolutions have a cost for each new length.
        """
        size = self._max_window
        if stream.low_latency:
            size = min(FIRST_FRAMES, size)
            while 2 * size <= min(stream.done // 2, self._max_window):
                size *= 2
        end = stream.done + size
        if stream.complete:
            return min(end, stream.known)
        return end if self._codec.chain.needed(end) <= stream.known else None

    def _next_turns(self) -> dict[Window, list[_Turn]]:
        """Dequeue streams up to the cost limit, grouped by equal windows."""
        turns: dict[Window, list[_Turn]] = {}
        cost = 0
        for key, end in list(self._ready.items()):
            stream = self._streams[key]
            window = self._codec.chain.window(stream.done, end, stream.known if stream.complete else None)
            cost += end - stream.done + WINDOW_COST + (0 if window in turns else self._batch_cost)
            if turns and cost > self._step_frames:
                break
            del self._ready[key]
            turns.setdefault(window, []).append(_Turn(key, stream, window, end))
        return turns

    def _decode(self, window: Window, turns: list[_Turn]) -> list[Audio | str]:
        """Decode equal windows; a string is an error message.

        A GPU decodes them in one batch and retries a failed one one by one. A CPU, whose kernels round differently in a
        batch, always decodes them one by one.
        """
        if len(turns) == 1 or self._batched:
            try:
                with fatal_when_lost():
                    return list(self._decode_batch(window, [turn.stream for turn in turns]))
            except RuntimeError as error:  # most often out of memory
                if len(turns) == 1:
                    return [str(error)]
        return [decoded for turn in turns for decoded in self._decode(window, [turn])]

    @torch.inference_mode()
    def _decode_batch(self, window: Window, streams: list[_Stream]) -> Audio:
        """Decode equal windows, (B, N), and advance their streams."""
        if not streams[0].known:
            return np.zeros((len(streams), 0), np.float32)
        frames = np.stack([stream.codes[:, : window.frames] for stream in streams])
        states = [stream.state for stream in streams]
        wave, new_states = self._codec.chain.advance(states, self._codec.to_device(frames), window)
        samples: Tensor = wave[:, 0].float().cpu()
        for stream, state in zip(streams, new_states, strict=True):
            stream.codes = stream.codes[:, window.frames :]
            stream.state = state
        return samples.numpy()
