"""ODE sampler: integrates the flow for the samples of all jobs, one evaluation of each sample per step.

Each ``step`` admits waiting samples while they fit, evaluates the model with every sample at its own timestep, and
returns the samples that finished. Samples may differ in schedule, guidance strength and length.

A GPU evaluates all samples in one packed batch. A CPU evaluates them one by one: its kernels round a row differently
with other numbers of rows, and one sample keeps it busy.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.common.device import fatal_when_lost
from backends.common.fair_queue import FairQueue
from backends.f5.config import MELS
from backends.f5.model import FlowModel, PreparedBatch, TimestepConditioning
from backends.f5.packing import SampleShape
from backends.f5.sample import Sample, SampleId, SampleResult
from backends.f5.schedule import ode_times
from backends.lru import LRUCache

MAX_CACHED_SCHEDULES = 8
MIN_CFG_STRENGTH = 1e-5  # guidance is off below it, as in f5-tts


@dataclass(slots=True, eq=False)
class _Schedule:
    """A time grid of nfe + 1 points and the model's constants for it."""

    times: list[float]
    conditioning: TimestepConditioning


@dataclass(slots=True, eq=False)
class _ActiveSample:
    """A sample in the batch.

    :param mel: state of the ODE, shape (T, M), T frames.
    :param conditioning: result of :meth:`FlowModel.condition`.
    :param step: evaluations done.
    """

    sample: Sample
    mel: Tensor
    conditioning: Tensor
    schedule: _Schedule
    step: int = 0

    @property
    def guided(self) -> bool:
        return self.sample.cfg_strength >= MIN_CFG_STRENGTH

    @property
    def shape(self) -> SampleShape:
        # Samples that share a timestep once share every later one: each advances by one evaluation per step.
        return SampleShape(self.sample.frames, 1 + self.guided, (id(self.schedule), self.step))


_Batch = tuple[list[_ActiveSample], PreparedBatch]
"""Samples that are evaluated together."""


class Sampler:
    """A batch of samples, bounded in frames.

    :param max_frames: frames computed at once; a longer sample runs in a batch of its own.
    :param packed: whether all samples share one evaluation; None: on a GPU.
    """

    def __init__(self, model: FlowModel, max_frames: int, packed: bool | None = None):
        self._packed = model.device.type != "cpu" if packed is None else packed
        self._model = model
        self._max_frames = max_frames
        self._waiting: FairQueue[Sample] = FairQueue()
        self._paused: list[_ActiveSample] = []  # evicted for lack of memory; they resume where they stopped
        self._active: list[_ActiveSample] = []
        self._batches: list[_Batch] = []  # of all active samples; empty until it is prepared
        self._schedules: LRUCache[tuple[int, float], _Schedule] = LRUCache(MAX_CACHED_SCHEDULES)

    def __len__(self) -> int:
        return len(self._active) + len(self._paused) + len(self._waiting)

    @property
    def active(self) -> int:
        """Number of samples in the batch."""
        return len(self._active)

    def add(self, sample: Sample) -> None:
        """Queue a sample. Computes nothing."""
        self._waiting.push(sample)

    def remove(self, ids: Collection[SampleId]) -> None:
        """Drop samples, whether queued, paused or active."""
        self._waiting.remove(ids)
        self._paused = [active for active in self._paused if active.sample.id not in ids]
        self._set_active([active for active in self._active if active.sample.id not in ids])

    @torch.inference_mode()
    def step(self) -> list[SampleResult]:
        """Evaluate the model once for every active sample; return the samples that finished or failed.

        When the device runs out of memory, samples are paused until the others fit; a sample that does not fit alone
        fails.

        :raises FatalFault: if the device is lost.
        """
        with fatal_when_lost():
            failed = self._admit()
            if not self._active:
                return failed
            try:
                velocities = self._evaluate()
            except torch.OutOfMemoryError as error:
                return failed + self._shrink_batch(error)
            return failed + self._advance(velocities)

    def _admit(self) -> list[SampleResult]:
        """Resume paused samples, then start queued ones; return those that could not start."""
        failed: list[SampleResult] = []
        while self._paused and self._fits(self._paused[0].sample):
            self._set_active([*self._active, self._paused.pop(0)])
        while self._waiting and not self._paused and self._fits(self._waiting.head):
            sample = self._waiting.head
            try:
                self._set_active([*self._active, self._start(sample)])
            except torch.AcceleratorError:
                raise
            except torch.OutOfMemoryError as error:
                if self._active:  # retry when a sample leaves; it stays at the head of the queue
                    self._lower_max_frames(self._active_frames() + sample.frames)
                    break
                failed.append(SampleResult(sample, None, f"not enough memory on the device: {error}"))
            except (RuntimeError, IndexError) as error:  # caused by the sample's input
                failed.append(SampleResult(sample, None, f"its inputs could not be embedded: {error}"))
            self._waiting.pop()
        return failed

    def _active_frames(self) -> int:
        return sum(active.sample.frames for active in self._active)

    def _fits(self, sample: Sample) -> bool:
        return not self._active or self._active_frames() + sample.frames <= self._max_frames

    def _lower_max_frames(self, failed_frames: int) -> None:
        """Lower the bound for good, below a batch size that did not fit.

        To a fraction of that size, not to what remains of this batch, which may be a single short sample.
        """
        self._max_frames = min(self._max_frames, max(1, failed_frames * 3 // 4))

    def _start(self, sample: Sample) -> _ActiveSample:
        device = self._model.device
        noise = torch.randn(sample.frames, MELS, generator=torch.Generator().manual_seed(sample.seed))
        conditioning = self._model.condition(
            sample.reference_mel.to(device),
            torch.tensor(sample.text_ids, device=device),
            sample.frames,
            guided=sample.cfg_strength >= MIN_CFG_STRENGTH,
        )
        return _ActiveSample(sample, noise.to(device), conditioning, self._schedule(sample.nfe, sample.sway))

    def _schedule(self, nfe: int, sway: float) -> _Schedule:
        schedule = self._schedules.get((nfe, sway))
        if schedule is None:
            times = ode_times(nfe, sway)
            conditioning = self._model.condition_times(times[:-1].to(self._model.device))
            schedule = _Schedule(times.tolist(), conditioning)
            self._schedules.put((nfe, sway), schedule)
        return schedule

    def _set_active(self, active: list[_ActiveSample]) -> None:
        """Replace the active samples; a change discards the prepared batches."""
        if len(active) != len(self._active) or any(a is not b for a, b in zip(active, self._active, strict=True)):
            self._batches = []
        self._active = active

    def _evaluate(self) -> list[Tensor]:
        """Compute the velocities of each active sample, shape (rows, T, M)."""
        if not self._batches:
            # Samples at one timestep are adjacent, and among them those of equal length: few runs in the packed batch.
            self._active.sort(key=lambda a: (id(a.schedule), -a.step, a.sample.frames, a.guided))
            groups = [self._active] if self._packed else [[active] for active in self._active]
            self._batches = [self._prepare(group) for group in groups]
        velocities: list[Tensor] = []
        for samples, batch in self._batches:
            frames = torch.cat([active.mel for active in samples])  # (T, M), T frames of all samples
            timesteps = [(active.schedule.conditioning, active.step) for active in samples]
            velocity: Tensor = self._model(frames, batch, timesteps)
            velocities += [velocity[slot.tokens].view(slot.rows, -1, MELS) for slot in batch.packing.slots]
        return velocities

    def _prepare(self, samples: list[_ActiveSample]) -> _Batch:
        return samples, self._model.prepare([a.shape for a in samples], [a.conditioning for a in samples])

    def _advance(self, velocities: Sequence[Tensor]) -> list[SampleResult]:
        """Take one Euler step per sample, with classifier-free guidance; return the samples that reached time 1."""
        results: list[SampleResult] = []
        for active, flow in zip(self._active, velocities, strict=True):
            guided = torch.lerp(flow[1], flow[0], 1 + active.sample.cfg_strength) if active.guided else flow[0]
            now, then = active.schedule.times[active.step : active.step + 2]
            active.mel.add_(guided, alpha=then - now)
            active.step += 1
            if active.sample.observe is not None:
                active.sample.observe(active.step, active.mel)
            if active.step == active.sample.nfe:
                results.append(_finish(active))
        if results:
            finished = {id(result.sample) for result in results}
            self._set_active([active for active in self._active if id(active.sample) not in finished])
        return results

    def _shrink_batch(self, error: torch.OutOfMemoryError) -> list[SampleResult]:
        """Pause the samples with the least progress after the batch exceeded the device's memory."""
        self._batches = []
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(self._active) == 1:
            sample = self._active[0].sample
            self._set_active([])
            return [SampleResult(sample, None, f"not enough memory on the device for {sample.frames} frames: {error}")]
        self._lower_max_frames(self._active_frames())
        while len(self._active) > 1 and self._active_frames() > self._max_frames:
            youngest = min(self._active, key=lambda active: active.step)
            self._set_active([active for active in self._active if active is not youngest])
            self._paused.insert(0, youngest)
        return []


def _finish(active: _ActiveSample) -> SampleResult:
    """Overwrite the start with the given reference, as f5-tts does, and check the result."""
    mel = active.mel
    mel[: len(active.sample.reference_mel)] = active.sample.reference_mel.to(mel.device)
    if not bool(torch.isfinite(mel).all()):
        return SampleResult(active.sample, None, "the model's output is not finite; try another dtype")
    return SampleResult(active.sample, mel)
