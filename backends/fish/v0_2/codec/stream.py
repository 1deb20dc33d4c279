"""Decoding codes while they are still being made.

The codec hears 19 code frames to each side, so a frame's audio is final once the 19 after it are known (or the end is).
Each job is decoded in windows whose ends depend on nothing but the job's own frames: the same codes give the same
audio, whenever they come and whoever else is decoded. Equal windows of several jobs share a pass.

Letters: G codebooks, T and k code frames, N samples.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from backends.base import Audio
from backends.common.device import fatal_when_lost
from backends.fish.v0_2.codec.vqgan import VQGAN, Codes
from backends.fish.v0_2.codec.windowed import Memory, Window

FIRST_FRAMES = 4  # of a job someone listens to: 0.19 s
WIDEST_FRAMES = {"cpu": 16, "cuda": 64}  # on two cores some 0.3 s of work
STEP_FRAMES = {"cpu": 18, "cuda": 512}  # the price of a step: one window on a CPU, as many as keep a GPU busy
WINDOW_PRICE = 2  # what a window computes a second time, in frames
PASS_PRICE = {"cpu": 0, "cuda": 16}  # what starting the kernels of a pass costs, in frames


@dataclass
class _Job:
    """What is known of one job's codes, and how far its audio is.

    :param codes: those not fed to the codec yet, (G, T).
    :param known: frames pushed so far.
    :param complete: no more will come.
    :param early: someone listens.
    """

    codes: Codes
    early: bool
    memory: Memory = field(default_factory=list)
    known: int = 0
    complete: bool = False
    done: int = 0


@dataclass(frozen=True)
class _Turn:
    """One job's next window."""

    key: str
    job: _Job
    window: Window
    end: int


class StreamDecoder:
    """Decodes the codes of many jobs as they come; a job is forgotten once its last audio was handed out.

    :param codec: what decodes.
    :param widest: frames of a window at most; None: what suits the device.
    :param step_frames: what a step may do at most, in frames of audio, but at least a window; None likewise.
    """

    def __init__(self, codec: VQGAN, widest: int | None = None, step_frames: int | None = None):
        self._codec = codec
        kind = codec.device.type
        self._widest = widest or WIDEST_FRAMES[kind]
        self._step_frames = step_frames or STEP_FRAMES[kind]
        self._pass_price = PASS_PRICE[kind]
        self._jobs: dict[str, _Job] = {}
        self._ready: dict[str, int] = {}  # whose window can be computed, and where it ends; first come, first served

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def busy(self) -> bool:
        """Whether a step would do anything now."""
        return bool(self._ready)

    def push(self, key: str, codes: Codes, last: bool, early: bool = True) -> None:
        """Add codes to a job; a new key is a new job.

        :param codes: integers, (G, k); k may be 0.
        :param last: whether these are all.
        :param early: whether someone listens already, so that the first windows are short. Taken from a job's first
            push.
        :raises ValueError: codes of another shape or outside the codebook, or more of a complete job; the decoder is
            unchanged.
        """
        self._codec.check(codes)
        job = self._jobs.get(key)
        if job is None:
            job = self._jobs[key] = _Job(codes[:, :0], early)
        elif job.complete:
            raise ValueError(f"{key}: codes after the last ones")
        job.codes = np.concatenate([job.codes, codes], axis=1)
        job.known += codes.shape[1]
        job.complete = last
        self._queue(key, job)

    def remove(self, keys: Collection[str]) -> None:
        """Forget jobs; unknown keys are ignored."""
        for key in keys:
            self._jobs.pop(key, None)
            self._ready.pop(key, None)

    def step(self) -> list[tuple[str, Audio | str, bool]]:
        """Compute the next windows of the jobs that have waited longest, as many as a step may hold.

        Returns for each its key, its next audio, float32 (N,), and whether that was all of it. In the place of audio
        may be a message: why there is none (the device has no memory left, mostly), and that job is forgotten.

        :raises FatalFault: the device is lost.
        """
        results: list[tuple[str, Audio | str, bool]] = []
        for window, turns in self._next_turns().items():
            for turn, audio in zip(turns, self._decode(window, turns), strict=True):
                job = turn.job
                job.done = turn.end
                ended = isinstance(audio, str) or (job.complete and job.done == job.known)
                results.append((turn.key, audio, ended))
                if ended:
                    del self._jobs[turn.key]
                else:
                    self._queue(turn.key, job)
        return results

    def _queue(self, key: str, job: _Job) -> None:
        if key not in self._ready and (end := self._end(job)) is not None:
            self._ready[key] = end

    def _end(self, job: _Job) -> int | None:
        """Where a job's next window ends, or None as long as codes for it are missing.

        Windows of a job that is listened to are at most half as long as what was heard: codes that come half again as
        fast as they sound keep the audio from running dry, and soon the windows are wide. They double, because few
        lengths make more equal windows, and convolutions on a CPU cost extra at each length they meet first.
        """
        size = self._widest
        if job.early:
            size = min(FIRST_FRAMES, size)
            while 2 * size <= min(job.done // 2, self._widest):
                size *= 2
        end = job.done + size
        if job.complete:
            return min(end, job.known)
        return end if self._codec.chain.needed(end) <= job.known else None

    def _next_turns(self) -> dict[Window, list[_Turn]]:
        """Take jobs off the queue, by equal windows."""
        turns: dict[Window, list[_Turn]] = {}
        price = 0
        for key, end in list(self._ready.items()):
            job = self._jobs[key]
            window = self._codec.chain.window(job.done, end, job.known if job.complete else None)
            price += end - job.done + WINDOW_PRICE + (0 if window in turns else self._pass_price)
            if turns and price > self._step_frames:
                break
            del self._ready[key]
            turns.setdefault(window, []).append(_Turn(key, job, window, end))
        return turns

    def _decode(self, window: Window, turns: list[_Turn]) -> list[Audio | str]:
        """Audio of turns with equal windows; what fails together is tried one by one."""
        try:
            with fatal_when_lost():
                return list(self._together(window, [turn.job for turn in turns]))
        except RuntimeError as error:  # out of memory, mostly
            if len(turns) == 1:
                return [str(error)]
            return [audio for turn in turns for audio in self._decode(window, [turn])]

    @torch.inference_mode()
    def _together(self, window: Window, jobs: list[_Job]) -> Audio:
        """(B, N) of jobs with equal windows, which move on."""
        if not jobs[0].known:
            return np.zeros((len(jobs), 0), np.float32)
        fed = np.stack([job.codes[:, : window.frames] for job in jobs])
        wave, memories = self._codec.chain.advance([job.memory for job in jobs], self._codec.to_device(fed), window)
        samples: Tensor = wave[:, 0].float().cpu()
        for job, memory in zip(jobs, memories, strict=True):
            job.codes = job.codes[:, window.frames :]
            job.memory = memory
        return samples.numpy()
