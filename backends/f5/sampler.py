"""The flow's ODE, one evaluation at a time, for every sample of every job together.

Letters: F frames of all samples, n frames of one sample, L symbols of one text, M mel channels, T tokens.

Each ``step`` admits waiting samples while there is room, evaluates the network once for all of them, each at its own
time, and hands out those that have arrived. Samples may have different schedules, strengths and lengths.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from backends.common.device import fatal_when_lost
from backends.common.fair_queue import FairQueue
from backends.f5.layout import Shape
from backends.f5.model import MELS
from backends.f5.network import Moments, Network, Plan
from backends.f5.sample import Made, Sample
from backends.f5.schedule import times

KEPT_SCHEDULES = 8
NO_GUIDANCE = 1e-5  # a strength below this is none, as in f5-tts


@dataclass(slots=True, eq=False)
class _Schedule:
    """A schedule and what the network made of it: times as floats, one more than evaluations."""

    times: list[float]
    moments: Moments


@dataclass(slots=True, eq=False)
class _Active:
    """A sample in the batch. ``state`` is the mel at the time reached, (n, M); ``base`` is the network's."""

    sample: Sample
    state: Tensor
    base: Tensor
    schedule: _Schedule
    done: int = 0

    @property
    def guided(self) -> bool:
        return self.sample.cfg_strength >= NO_GUIDANCE

    @property
    def shape(self) -> Shape:
        # Two samples that are level now stay level: each advances by one evaluation a step.
        return Shape(self.sample.frames, 1 + self.guided, (id(self.schedule), self.done))


class Sampler:
    """A batch of samples bounded by frames.

    :param max_frames: how many frames are computed at once; a longer sample is computed alone.
    """

    def __init__(self, network: Network, max_frames: int):
        self._network = network
        self._max_frames = max_frames
        self._waiting: FairQueue[Sample] = FairQueue()
        self._paused: list[_Active] = []  # put back for want of memory, to go on where they were
        self._active: list[_Active] = []
        self._plan: Plan | None = None
        self._schedules: OrderedDict[tuple[int, float], _Schedule] = OrderedDict()

    def __len__(self) -> int:
        return len(self._active) + len(self._paused) + len(self._waiting)

    @property
    def active(self) -> int:
        """How many samples are being computed."""
        return len(self._active)

    def add(self, sample: Sample) -> None:
        """Let a sample join as soon as there is room. Nothing is computed yet."""
        self._waiting.push(sample)

    def remove(self, ids: Collection[str]) -> None:
        """Forget samples, wherever they are."""
        self._waiting.remove(ids)
        self._paused = [active for active in self._paused if active.sample.id not in ids]
        self._keep([active for active in self._active if active.sample.id not in ids])

    @torch.inference_mode()
    def step(self) -> list[Made]:
        """One evaluation for every active sample; returns those that ended.

        What does not fit into the device's memory is taken out until the rest does; a sample that does not fit alone
        fails.

        :raises FatalFault: the device is lost.
        """
        with fatal_when_lost():
            failed = self._admit()
            if not self._active:
                return failed
            try:
                velocity = self._evaluate()
            except torch.OutOfMemoryError as error:
                return failed + self._shrink(error)
            return failed + self._advance(velocity)

    def _admit(self) -> list[Made]:
        failed: list[Made] = []
        while self._paused and self._fits(self._paused[0].sample):
            self._keep([*self._active, self._paused.pop(0)])
        while self._waiting and not self._paused and self._fits(self._waiting.head):
            sample = self._waiting.head
            try:
                self._keep([*self._active, self._begin(sample)])
            except torch.AcceleratorError:
                raise
            except torch.OutOfMemoryError as error:
                if self._active:  # it keeps its place until somebody leaves
                    self._lower(self._frames() + sample.frames)
                    break
                failed.append(Made(sample, None, f"the device has not enough memory for it: {error}"))
            except (RuntimeError, IndexError) as error:  # its input is at fault
                failed.append(Made(sample, None, f"it could not be started: {error}"))
            self._waiting.pop()
        return failed

    def _frames(self) -> int:
        return sum(active.sample.frames for active in self._active)

    def _fits(self, sample: Sample) -> bool:
        return not self._active or self._frames() + sample.frames <= self._max_frames

    def _lower(self, too_many: int) -> None:
        """Remember for good that a batch of so many frames does not fit.

        By a share of it, not down to what is left of this batch: that may be one short sample.
        """
        self._max_frames = min(self._max_frames, max(1, too_many * 3 // 4))

    def _begin(self, sample: Sample) -> _Active:
        device = self._network.device
        noise = torch.randn(sample.frames, MELS, generator=torch.Generator().manual_seed(sample.seed))
        base = self._network.condition(
            sample.reference.to(device),
            torch.tensor(sample.symbols, device=device),
            sample.frames,
            guided=sample.cfg_strength >= NO_GUIDANCE,
        )
        return _Active(sample, noise.to(device), base, self._schedule(sample.nfe, sample.sway))

    def _schedule(self, nfe: int, sway: float) -> _Schedule:
        key = (nfe, sway)
        if key not in self._schedules:
            t = times(nfe, sway)
            self._schedules[key] = _Schedule(t.tolist(), self._network.schedule(t[:-1].to(self._network.device)))
            if len(self._schedules) > KEPT_SCHEDULES:
                self._schedules.popitem(last=False)
        self._schedules.move_to_end(key)
        return self._schedules[key]

    def _keep(self, active: list[_Active]) -> None:
        """Change the batch. Samples at the same time lie together, and within them those of equal length."""
        if len(active) != len(self._active) or any(a is not b for a, b in zip(active, self._active, strict=True)):
            self._plan = None
        self._active = active

    def _evaluate(self) -> Tensor:
        """Velocities of all tokens, (T, M)."""
        if self._plan is None:
            self._active.sort(key=lambda a: (id(a.schedule), -a.done, a.sample.frames, a.guided))
            self._plan = self._network.plan([a.shape for a in self._active], [a.base for a in self._active])
        frames = torch.cat([active.state for active in self._active])  # (F, M)
        return self._network(frames, self._plan, [(active.schedule.moments, active.done) for active in self._active])

    def _advance(self, velocity: Tensor) -> list[Made]:
        """Euler's step, each sample by its own time; takes those out that have arrived."""
        assert self._plan is not None  # noqa: S101 - made by the evaluation
        made: list[Made] = []
        for active, place in zip(self._active, self._plan.layout.places, strict=True):
            flow = velocity[place.tokens].view(place.rows, -1, MELS)
            guided = torch.lerp(flow[1], flow[0], 1 + active.sample.cfg_strength) if active.guided else flow[0]
            now, then = active.schedule.times[active.done : active.done + 2]
            active.state.add_(guided, alpha=then - now)
            active.done += 1
            if active.done == active.sample.nfe:
                made.append(_finish(active))
        if made:
            ended = {id(done.sample) for done in made}
            self._keep([active for active in self._active if id(active.sample) not in ended])
        return made

    def _shrink(self, error: torch.OutOfMemoryError) -> list[Made]:
        """Make the batch smaller, after it turned out too large for the device; the youngest samples wait."""
        self._plan = None
        if self._network.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(self._active) == 1:
            sample = self._active[0].sample
            self._keep([])
            return [Made(sample, None, f"the device has not enough memory for {sample.frames} frames: {error}")]
        self._lower(self._frames())
        while len(self._active) > 1 and self._frames() > self._max_frames:
            youngest = min(self._active, key=lambda active: active.done)
            self._keep([active for active in self._active if active is not youngest])
            self._paused.insert(0, youngest)
        return []


def _finish(active: _Active) -> Made:
    """Put the reference back where it was given, as f5-tts does."""
    mel = active.state
    mel[: len(active.sample.reference)] = active.sample.reference.to(mel.device)
    if not bool(torch.isfinite(mel).all()):
        return Made(active.sample, None, "the model's output is not a number; another dtype may help")
    return Made(active.sample, mel)
