"""File names in the work folder, logging, and the time limit of a command."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

HELD_OUT = Path(__file__).with_name("heldout.txt")
JUDGED = Path(__file__).with_name("judged.txt")

SENTENCES = "sentences.txt"
SOUND = "sound"  # shard_NNN.i16, concatenated samples, and shard_NNN.jsonl, one line per utterance
HELD_OUT_SHARD = "heldout"
CODEC = "codec"  # mel.pt, wave.pt: state of training
CODES = "codes"  # a .npz for each shard
LANGUAGE_MODEL = "lm"

LONGEST_STEP_S = 300.0  # between two readings of the clock; the rest of a longer time was a pause


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Log:
    """JSON lines in a file beside the state, and on the terminal."""

    def __init__(self, path: Path):
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, **values: Any) -> None:
        """Add a line."""
        line = json.dumps({name: _short(value) for name, value in values.items()})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        say(line)


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


class Clock:
    """Time limit of a command (--minutes). A pause of the process (SIGSTOP) counts as one long step at most."""

    def __init__(self, minutes: float):
        self._seconds = minutes * 60
        self._looked, self._spent = time.monotonic(), 0.0

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        now = time.monotonic()
        self._spent += min(now - self._looked, LONGEST_STEP_S)
        self._looked = now
        return self._spent

    @property
    def part(self) -> float:
        """Share of the time, 0 to 1."""
        return min(1.0, self.spent / self._seconds)

    @property
    def over(self) -> bool:
        """Whether it is time to stop."""
        return self.spent >= self._seconds
