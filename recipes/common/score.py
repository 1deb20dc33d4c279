"""What recipes tell of a model: what an engine says, how much of it is understood, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backends.base import AudioChunk, Engine, Failed, Finished, Job
from recipes.common.listener import Listener, word_error_rate
from recipes.common.places import say


def speak(engine: Engine, job: Job) -> np.ndarray:
    """Samples (N,) of one job."""
    engine.add(job)
    parts: list[np.ndarray] = []
    while True:
        for event in engine.step():
            match event:
                case AudioChunk():
                    parts.append(event.samples)
                case Failed():
                    raise RuntimeError(event.message)
                case Finished():
                    return np.concatenate(parts)


def report(
    what: str,
    texts: Sequence[str],
    sounds: Sequence[np.ndarray],
    listener: Listener,
    *,
    rate_hz: int,
    spent: float,
    show: bool = False,
) -> float:
    """Say the word error rate and the real-time factor of sounds, and return the former.

    :param sounds: each (N,).
    :param spent: seconds that it took to make them.
    :param show: say what was heard, too.
    """
    heard = [listener.transcribe(samples, rate_hz) for samples in sounds]
    seconds = sum(map(len, sounds)) / rate_hz
    rate = word_error_rate(texts, heard)
    say(f"{what}: word error rate {rate:.3f}, {seconds:.0f} s of sound, real-time factor {spent / seconds:.2f}")
    if show:
        say("\n".join(f"  {text}\n    {one}" for text, one in zip(texts, heard, strict=True)))
    return rate
