"""Stage 4: pretraining of the text encoder on spelling.

The encoder learns the one or two phones of each letter and the letter's duration at the teacher's pace, by
cross-entropy and squared error on the alignment. From durations in the text the network can compute which letter is
spoken when.

    python -m recipes.f5_mini.pretrain_text --work WORK --minutes 8

T is in symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backends.f5.layers import TextEmbedding
from backends.f5.model import DIT_TEXT_POSITIONS
from recipes.common.optim import rate
from recipes.common.run import Run, run, run_arguments
from recipes.common.workspace import HELD_OUT_SHARD, Log
from recipes.f5_mini.dit import ARCHITECTURE, encode_text, matrices
from recipes.f5_mini.features import Utterance, names, read
from recipes.f5_mini.spelling import IDS, PHONES, SYMBOLS

FOLDER, STATE = "text", "text.pt"
SOUNDS = 2  # phones per letter
ROWS = 96
STRETCH = (3.0, 8.0)  # frames per symbol; they affect the response norm
JOINED = (1, 1, 2, 3)  # utterances per row
DURATION = 0.5  # weight of the duration loss
FILLER = -100


class Speller(nn.Module):
    """The text encoder with two auxiliary heads."""

    def __init__(self) -> None:
        super().__init__()
        width = ARCHITECTURE.text_width
        self.text_embed = TextEmbedding(ARCHITECTURE, len(SYMBOLS), DIT_TEXT_POSITIONS)
        self.sounds = nn.Linear(width, SOUNDS * len(PHONES))
        self.durations = nn.Linear(width, 1)


def targets(utterances: Sequence[Utterance]) -> dict[str, np.ndarray]:
    """Join utterances to one text: ids + 1 (T,), phones (T, 2), and log(1 + frames at pace 1) (T,)."""
    ids, sounds, frames = [], [], []
    for index, one in enumerate(utterances):
        spaces = 1 if index else 0
        counts = np.bincount(one.symbol_indices, minlength=len(one.symbols)) * one.speed
        ids += [np.full(spaces, IDS[" "] + 1), one.symbols.astype(np.int64) + 1]
        sounds += [np.zeros((spaces, SOUNDS), np.int64), one.sounds.astype(np.int64)]
        frames += [np.zeros(spaces), counts]
    lengths = np.log1p(np.concatenate(frames)).astype(np.float32)
    return {"symbols": np.concatenate(ids), "sounds": np.concatenate(sounds), "lengths": lengths}


def stack(rows: Sequence[dict[str, np.ndarray]], device: torch.device) -> dict[str, Tensor]:
    """Stack texts into a batch, padded at the end."""
    longest = max(len(row["symbols"]) for row in rows)
    found = {}
    for name, fill in {"symbols": 0, "sounds": FILLER, "lengths": 0}.items():
        values = np.full((len(rows), longest, *rows[0][name].shape[1:]), fill, rows[0][name].dtype)
        for value, row in zip(values, rows, strict=True):
            value[: len(row[name])] = row[name]
        found[name] = torch.from_numpy(values).to(device)
    return found


def losses(speller: Speller, batch: dict[str, Tensor], stretch: float) -> dict[str, Tensor]:
    """Compute the phones' cross-entropy, the durations' squared error and the share of letters with a wrong phone."""
    symbols, sounds = batch["symbols"], batch["sounds"]
    frames = int(symbols.shape[1] * stretch)
    dropped = torch.zeros(len(symbols), dtype=torch.bool, device=symbols.device)
    features = encode_text(speller.text_embed, symbols, frames, dropped).float()
    logits = torch.unflatten(speller.sounds(features).float(), -1, (SOUNDS, -1))
    real = symbols != 0
    errors = (speller.durations(features).float()[..., 0] - batch["lengths"]).square()
    wrong = (logits.argmax(-1) != sounds).any(-1)
    return {
        "sounds": F.cross_entropy(logits.flatten(0, 2), sounds.flatten(), ignore_index=FILLER),
        "durations": errors[real].mean(),
        "wrong": wrong[real].float().mean(),
    }


class Training(Run[Speller]):
    """Training of the text encoder."""

    def __init__(self, work: Path, *, muon: float, adam: float, seed: int, device: torch.device):
        self._seed, self._device = seed, device
        self._utterances = [one for name in names(work) for one in read(work, name)]
        speller = Speller().to(device)
        super().__init__(work / FOLDER / STATE, speller, matrices(speller), muon, adam)
        self._held_out = stack([targets([one]) for one in read(work, HELD_OUT_SHARD)], device)

    def step(self) -> dict[str, float]:
        """Take a step and return its losses."""
        steps = self.optimizer.steps
        rng = np.random.default_rng((self._seed, steps))
        joined = int(rng.choice(JOINED))
        chosen = rng.integers(len(self._utterances), size=(max(2, ROWS // joined), joined))
        batch = stack([targets([self._utterances[index] for index in row]) for row in chosen], self._device)
        found = self._losses(self.model, batch, float(rng.uniform(*STRETCH)))
        (found["sounds"] + DURATION * found["durations"]).backward()  # type: ignore[no-untyped-call]
        length = self.optimizer.step(rate(self.progress, steps, warm_up=50))
        self.average.update(self.model)
        return {name: float(value.detach()) for name, value in found.items()} | {"gradient": length}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Return losses on held-out sentences, with averaged weights."""
        model = Speller().to(self._device)
        model.load_state_dict(self.average.weights)
        found = self._losses(model, self._held_out, sum(STRETCH) / 2)
        return {f"held_out_{name}": float(value) for name, value in found.items()}

    def _losses(self, model: Speller, batch: dict[str, Tensor], stretch: float) -> dict[str, Tensor]:
        with torch.autocast(self._device.type, torch.bfloat16):
            return losses(model, batch, stretch)


def start_text_encoder(work: Path, encoder: TextEmbedding) -> None:
    """Initialize a network's text encoder from this stage, if it has run."""
    path = work / FOLDER / STATE
    if path.exists():
        average: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["average"]
        own = {name: value for name, value in average.items() if name.startswith("text_embed.")}
        encoder.load_state_dict({name.removeprefix("text_embed."): value for name, value in own.items()})


def main() -> None:
    """Train for some minutes."""
    parser = run_arguments(__doc__, minutes=8, every=50, seed=2)
    parser.set_defaults(adam=3e-3)
    parser.add_argument("--muon", type=float, default=0.02, help="learning rate of Muon")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    args = parser.parse_args()
    log = Log(args.work / FOLDER / "text.jsonl")

    def start() -> Training:
        return Training(args.work, muon=args.muon, adam=args.adam, seed=args.seed, device=args.device)

    run(args, log, 4 * args.every, start)


if __name__ == "__main__":
    main()
