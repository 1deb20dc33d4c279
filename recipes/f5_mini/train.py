"""Stage 5: the flow.

bfloat16 products, Muon for the matrices, AdamW for the rest. Two helpers teach from the first step what the velocity
alone teaches late, where in the text a frame is: one head of two layers is shown the frames that carry the letter which
is spoken, and behind another layer it has to be known which phone is spoken. Their weight falls to nothing, and what is
exported has no trace of them.

    python -m recipes.f5_mini.train --work WORK --minutes 120 [--end 1.0] [--device cuda]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from recipes.common.arrivals import Arrivals
from recipes.common.optim import rate
from recipes.common.places import HELD_OUT_SHARD, Log
from recipes.common.prefetch import prefetch
from recipes.common.run import Run, run, run_arguments
from recipes.f5_mini.exported import read_flow
from recipes.f5_mini.features import FOLDER as FEATURES
from recipes.f5_mini.features import Utterance, read
from recipes.f5_mini.flow import Drawn, Learner, draw, fixed, losses
from recipes.f5_mini.pretrain_text import start_text_encoder
from recipes.f5_mini.sequences import Batch, Sequences, stack

FOLDER, STATE = "flow", "flow.pt"
HELPERS = {"phones": 0.3, "guide": 0.3}  # weights at first
HELPED_UNTIL = 0.6  # the progress at which there is nothing left of them
POWER = 1.6  # of the time: half of the rows are in the noisiest third
NO_PROMPT, NO_TEXT = 0.2, 0.12
DECAY_FROM = 0.4
JUDGED_TIMES = (0.1, 0.4, 0.7)
PLANNING_TIME = 0.02  # next to nothing can be read from a mel so noisy: what is known there was planned
JUDGED_FRAMES, JUDGED_BATCHES = 4096, 3
CENTRED_BY = 64  # utterances
PATIENCE_S = 60.0  # for the first shards


class Training(Run[Learner]):
    """Training of the flow.

    :param frames: of a batch.
    :param longest: frames of a sequence.
    :param start: folder of an exported model to start from.
    :param shards: to wait for at first; later ones are used as they arrive.

    :ivar seen: frames so far.
    """

    def __init__(
        self,
        work: Path,
        *,
        frames: int,
        longest: int,
        muon: float,
        adam: float,
        seed: int,
        device: torch.device,
        start: Path | None = None,
        shards: int = 1,
    ):
        self.seen, self.place = 0, (0, 0)
        self._seed, self._device = seed, device
        arrivals = Arrivals(work / FEATURES, partial(read, work))
        learner, utterances = Learner(), arrivals.first(shards, PATIENCE_S)
        path = work / FOLDER / STATE
        if not path.exists():
            if start is None:
                start_text_encoder(work, learner.transformer.text_embed)
                centre(learner, utterances[:CENTRED_BY])
            else:
                start_from(learner, start)
        super().__init__(path, learner.to(device), learner.matrices(), muon, adam)
        self._sequences = Sequences(utterances, seed=seed, longest=longest, frames=frames, more=arrivals)
        batches = self._sequences.after(self.place)
        self._batches = prefetch(batches) if device.type == "cuda" else batches
        held_out = Sequences(read(work, HELD_OUT_SHARD), seed=0, longest=longest, frames=min(frames, JUDGED_FRAMES))
        self._judged = [stack(plans).to(device) for plans in held_out.pool(0)[:JUDGED_BATCHES]]

    def step(self) -> dict[str, float]:
        """Take a step and return its losses."""
        self.place, batch = next(self._batches)
        batch = batch.to(self._device)
        steps = self.optimizer.steps
        generator = torch.Generator(self._device).manual_seed(self._seed * 10_000_000 + steps)
        helped = max(0.0, 1 - self.progress / HELPED_UNTIL)
        found = self._losses(self.model, batch, draw(batch, generator, POWER, NO_PROMPT, NO_TEXT), helped > 0)
        total = found["flow"]
        if helped:
            total = total + helped * sum(weight * found[name] for name, weight in HELPERS.items())
        total.backward()  # type: ignore[no-untyped-call]
        length = self.optimizer.step(rate(self.progress, steps, decay_from=DECAY_FROM))
        self.average.update(self.model)
        self.seen += batch.frames
        told = {name: float(value.detach()) for name, value in found.items()}
        return told | {"gradient": length, "seen": float(self.seen), "utterances": self._sequences.size}

    @torch.no_grad()
    def judge(self) -> dict[str, float]:
        """On held-out sentences, with averaged weights.

        ``t0.1`` and so on: the velocity's error at that time; ``gap``: how much larger it is at the first with another
        sentence's text; ``plan``: phones known where nothing can be heard yet; ``guide``: as in training, there.
        """
        model = Learner().to(self._device)
        model.load_state_dict(self.average.weights)
        found: list[dict[str, float]] = []
        for index, batch in enumerate(self._judged):
            other = replace(batch, symbols=batch.symbols.roll(1, 0), carried=batch.carried.roll(1, 0))
            one = {f"t{t}": float(self._losses(model, batch, fixed(batch, t, index))["flow"]) for t in JUDGED_TIMES}
            early = JUDGED_TIMES[0]
            one["gap"] = float(self._losses(model, other, fixed(batch, early, index))["flow"]) - one[f"t{early}"]
            planned = self._losses(model, batch, fixed(batch, PLANNING_TIME, index), True)
            one |= {"plan": float(planned["right"]), "guide": float(planned["guide"])}
            found.append(one)
        return {f"held_out_{name}": float(np.mean([one[name] for one in found])) for name in found[0]}

    def further(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {"seen": self.seen, "place": self.place}

    def load(self, saved: dict[str, Any]) -> None:
        """See :class:`Run`."""
        super().load(saved)
        self.seen, self.place = saved["seen"], tuple(saved["place"])

    def _losses(self, model: Learner, batch: Batch, at: Drawn, helped: bool = False) -> dict[str, torch.Tensor]:
        with torch.autocast(self._device.type, torch.bfloat16):
            return losses(model, batch, at, helped=helped)


def start_from(learner: Learner, folder: Path) -> None:
    """Load an exported network. The phone head is not exported: at zero it gives no gradient at first."""
    learner.transformer.load_state_dict(read_flow(folder))
    nn.init.zeros_(learner.phones.weight)


@torch.no_grad()
def centre(learner: Learner, utterances: Sequence[Utterance]) -> None:
    """Initialize the last layer's bias with the mean of speech, which Adam would be slow to find."""
    mean = np.concatenate([one.mel for one in utterances]).astype(np.float32).mean(0)
    learner.transformer.proj_out.bias.copy_(torch.from_numpy(mean))


def main() -> None:
    """Train for some minutes."""
    parser = run_arguments(__doc__, minutes=120, every=50, seed=3)
    parser.set_defaults(adam=1.5e-3)
    parser.add_argument("--frames", type=int, default=6144, help="of a batch")
    parser.add_argument("--longest", type=int, default=1000, help="frames of a sequence")
    parser.add_argument("--muon", type=float, default=0.02, help="its learning rate")
    parser.add_argument("--shards", type=int, default=1, help="how many to wait for before training starts")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    asked = parser.parse_args()
    log = Log(asked.work / FOLDER / "flow.jsonl")

    def start() -> Training:
        training = Training(
            asked.work,
            frames=asked.frames,
            longest=asked.longest,
            muon=asked.muon,
            adam=asked.adam,
            seed=asked.seed,
            device=asked.device,
            start=asked.start,
            shards=asked.shards,
        )
        exported = sum(value.numel() for value in training.model.transformer.parameters())
        log(parameters=exported)
        return training

    run(asked, log, 4 * asked.every, start)


if __name__ == "__main__":
    main()
