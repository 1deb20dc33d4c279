"""What the contract suite needs to know of each engine. Every registered engine must have an entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONG = (
    "The first sentence is long enough to be heard. The second one follows at once. "
    "A third one comes after that, and it has two clauses. The last one ends the text."
)


@dataclass(frozen=True)
class Profile:
    """What one engine is tested with.

    :param model: the ``model:`` block, or what makes one in a folder that is empty at first.
    :param atol: how much a sample may differ between a crowd and alone (0: bit-identical).
    """

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


PROFILES: dict[str, Profile] = {
    "f5": Profile(model=_tiny_f5, defaults={"nfe": 5}, dtype="float32", unspeakable="Привет", atol=1e-4),
    "lite": Profile(unspeakable="你好"),
    "tone": Profile(),
}
