"""What the contract suite needs to know of each engine. Every registered engine must have an entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import structs

LONG = (
    "The first sentence is long enough to be heard. The second one follows at once. "
    "A third one comes after that, and it has two clauses. The last one ends the text."
)


@dataclass(frozen=True)
class Profile:
    """What one engine is tested with.

    :param model: the ``model:`` block, or what makes one in a folder that is empty at first.
    :param sabotage: makes an admitted job fail once it is under way, by its engine's own means.
    :param atol: how much a sample may differ between a crowd and alone (0: bit-identical).
    """

    sabotage: Callable[[Any, str], None]
    model: Mapping[str, Any] | Callable[[Path], Mapping[str, Any]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "auto"
    short: str = "Hello there."
    long: str = LONG
    unspeakable: str | None = None
    seeded: bool = True
    atol: float = 0.0


def _tiny_f5(folder: Path) -> dict[str, Any]:
    from f5.sampling import write_model

    return write_model(folder, "tiny")


def _spoil_the_reference(engine: Any, job_id: str) -> None:
    for entry in engine._loaded.sampler._waiting._heap:
        if entry.work.owner == job_id:
            object.__setattr__(entry.work, "reference", entry.work.reference * float("nan"))


def _small_fish(folder: Path) -> dict[str, Any]:
    from support.fish.model import write_model

    return write_model(folder)


def _break_the_prompt(engine: Any, job_id: str) -> None:
    for entry in engine._pipeline.lm._queue._heap:
        if entry.work.owner == job_id:
            entry.work.prompt[:] = 1 << 30


def _take_the_voice(engine: Any, job_id: str) -> None:
    engine._utterances[job_id].voice = None


def _switch_on_the_fault(engine: Any, job_id: str) -> None:
    tone = engine._jobs[job_id]
    tone.options = structs.replace(tone.options, fail_at=1)


PROFILES: dict[str, Profile] = {
    "f5": Profile(
        _spoil_the_reference, model=_tiny_f5, defaults={"nfe": 5}, dtype="float32", unspeakable="Привет", atol=1e-4
    ),
    # int8, the kind of weights whose kernels take most care to give a row the same numbers in any company
    "fish": Profile(
        _break_the_prompt,
        model=lambda folder: {**_small_fish(folder), "quantize": "int8"},
        defaults={"max_new_tokens": 24, "use_g2p": False, "chunk_length": 60},
        unspeakable="Привет",
        atol=2e-6,  # of the codec, where windows share a pass
    ),
    "lite": Profile(_take_the_voice, unspeakable="你好"),
    "tone": Profile(_switch_on_the_fault),
}
