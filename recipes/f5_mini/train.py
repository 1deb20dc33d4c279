"""Stage 5: the flow.

Products are in bfloat16; Muon trains the matrices and AdamW the rest. Two auxiliary losses teach from the first step
where in the text a frame is, which the velocity alone teaches late: one head of two layers is trained to attend to the
frames of the spoken letter, and the output of another layer must predict the spoken phone. Their weight falls to zero,
and the export contains neither.

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
from recipes.common.prefetch import prefetch
from recipes.common.run import Run, run, run_arguments
from recipes.common.workspace import HELD_OUT_SHARD, Log
from recipes.f5_mini.dit import matrices
from recipes.f5_mini.exported import read_flow
from recipes.f5_mini.features import FOLDER as FEATURES
from recipes.f5_mini.features import Utterance, read
from recipes.f5_mini.flow import Draw, Learner, draw, fixed_draw, losses
from recipes.f5_mini.pretrain_text import start_text_encoder
from recipes.f5_mini.sequences import Batch, Sequences, stack

FOLDER, STATE = "flow", "flow.pt"
AUXILIARY_WEIGHTS = {"phones": 0.3, "guide": 0.3}  # initial weights
AUXILIARY_UNTIL = 0.6  # the progress at which their weight is zero
POWER = 1.6  # exponent of the time: half of the rows are in the noisiest third
NO_PROMPT, NO_TEXT = 0.2, 0.12
DECAY_FROM = 0.4
EVALUATION_TIMES = (0.1, 0.4, 0.7)
PLANNING_TIME = 0.02  # such a noisy mel has almost no content: a correct phone there was planned from the text
EVALUATION_FRAMES, EVALUATION_BATCHES = 4096, 3
BIAS_UTTERANCES = 64  # for the mean of speech
PATIENCE_S = 60.0  # wait for the first shards


class Training(Run[Learner]):
    """Training of the flow.

    :param frames: most frames of a batch.
    :param longest: most frames of a sequence.
    :param start: folder of an exported model to start from.
    :param shards: number of shards to wait for; later ones are used as they arrive.

    :ivar seen: frames trained on so far.
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
        self.seen, self.position = 0, (0, 0)
        self._seed, self._device = seed, device
        arrivals = Arrivals(work / FEATURES, partial(read, work))
        learner, utterances = Learner(), arrivals.first(shards, PATIENCE_S)
        path = work / FOLDER / STATE
        if not path.exists():
            if start is None:
                start_text_encoder(work, learner.transformer.text_embed)
                init_output_bias(learner, utterances[:BIAS_UTTERANCES])
            else:
                start_from(learner, start)
        super().__init__(path, learner.to(device), matrices(learner), muon, adam)
        self._sequences = Sequences(utterances, seed=seed, longest=longest, frames=frames, more=arrivals)
        batches = self._sequences.after(self.position)
        self._batches = prefetch(batches) if device.type == "cuda" else batches
        held_out = Sequences(read(work, HELD_OUT_SHARD), seed=0, longest=longest, frames=min(frames, EVALUATION_FRAMES))
        self._held_out = [stack(plans).to(device) for plans in held_out.pool(0)[:EVALUATION_BATCHES]]

    def step(self) -> dict[str, float]:
        """Take a step and return its losses."""
        self.position, batch = next(self._batches)
        batch = batch.to(self._device)
        steps = self.optimizer.steps
        generator = torch.Generator(self._device).manual_seed(self._seed * 10_000_000 + steps)
        strength = max(0.0, 1 - self.progress / AUXILIARY_UNTIL)
        found = self._losses(self.model, batch, draw(batch, generator, POWER, NO_PROMPT, NO_TEXT), strength > 0)
        total = found["flow"]
        if strength:
            total = total + strength * sum(weight * found[name] for name, weight in AUXILIARY_WEIGHTS.items())
        total.backward()  # type: ignore[no-untyped-call]
        length = self.optimizer.step(rate(self.progress, steps, decay_from=DECAY_FROM))
        self.average.update(self.model)
        self.seen += batch.frames
        values = {name: float(value.detach()) for name, value in found.items()}
        return values | {"gradient": length, "seen": float(self.seen), "utterances": self._sequences.size}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return losses on held-out sentences, with averaged weights.

        ``t0.1`` and so on: the velocity's error at that time; ``gap``: its increase at the first time with another
        sentence's text; ``plan`` and ``guide``: accuracy of phones and guide loss at ``PLANNING_TIME``.
        """
        model = Learner().to(self._device)
        model.load_state_dict(self.average.weights)
        found: list[dict[str, float]] = []
        for index, batch in enumerate(self._held_out):
            other = replace(batch, symbols=batch.symbols.roll(1, 0), frame_symbols=batch.frame_symbols.roll(1, 0))
            one = {
                f"t{t}": float(self._losses(model, batch, fixed_draw(batch, t, index))["flow"])
                for t in EVALUATION_TIMES
            }
            early = EVALUATION_TIMES[0]
            one["gap"] = float(self._losses(model, other, fixed_draw(batch, early, index))["flow"]) - one[f"t{early}"]
            planned = self._losses(model, batch, fixed_draw(batch, PLANNING_TIME, index), True)
            one |= {"plan": float(planned["right"]), "guide": float(planned["guide"])}
            found.append(one)
        return {f"held_out_{name}": float(np.mean([one[name] for one in found])) for name in found[0]}

    def extra_state(self) -> dict[str, Any]:
        """See :class:`Run`."""
        return {"seen": self.seen, "place": self.position}

    def load(self, saved: dict[str, Any]) -> None:
        """See :class:`Run`."""
        super().load(saved)
        self.seen, self.position = saved["seen"], tuple(saved["place"])

    def _losses(self, model: Learner, batch: Batch, at: Draw, with_auxiliary: bool = False) -> dict[str, torch.Tensor]:
        with torch.autocast(self._device.type, torch.bfloat16):
            return losses(model, batch, at, with_auxiliary=with_auxiliary)


def start_from(learner: Learner, folder: Path) -> None:
    """Load an exported network. The phone head is not exported: it starts at zero and gives no gradient at first."""
    learner.transformer.load_state_dict(read_flow(folder))
    nn.init.zeros_(learner.phones.weight)


@torch.no_grad()
def init_output_bias(learner: Learner, utterances: Sequence[Utterance]) -> None:
    """Initialize the last layer's bias with the mean of speech, which Adam would learn slowly."""
    mean = np.concatenate([one.mel for one in utterances]).astype(np.float32).mean(0)
    learner.transformer.proj_out.bias.copy_(torch.from_numpy(mean))


def main() -> None:
    """Train for some minutes."""
    parser = run_arguments(__doc__, minutes=120, every=50, seed=3)
    parser.set_defaults(adam=1.5e-3)
    parser.add_argument("--frames", type=int, default=6144, help="most frames of a batch")
    parser.add_argument("--longest", type=int, default=1000, help="most frames of a sequence")
    parser.add_argument("--muon", type=float, default=0.02, help="learning rate of Muon")
    parser.add_argument("--shards", type=int, default=1, help="number of shards to wait for before training starts")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    args = parser.parse_args()
    log = Log(args.work / FOLDER / "flow.jsonl")

    def start() -> Training:
        training = Training(
            args.work,
            frames=args.frames,
            longest=args.longest,
            muon=args.muon,
            adam=args.adam,
            seed=args.seed,
            device=args.device,
            start=args.start,
            shards=args.shards,
        )
        exported = sum(value.numel() for value in training.model.transformer.parameters())
        log(parameters=exported)
        return training

    run(args, log, 4 * args.every, start)


if __name__ == "__main__":
    main()
