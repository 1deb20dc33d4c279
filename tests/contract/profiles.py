"""What the contract suite needs to know of each engine. Every registered engine must have an entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LONG = (
    "The first sentence is long enough to be heard. The second one follows at once. "
    "A third one comes after that, and it has two clauses. The last one ends the text."
)


@dataclass(frozen=True)
class Profile:
    """:param atol: how much a sample may differ between a crowd and alone (0: bit-identical)."""

    model: Mapping[str, Any] = field(default_factory=dict)
    short: str = "Hello there."
    long: str = LONG
    unspeakable: str | None = None
    seeded: bool = True
    atol: float = 0.0


PROFILES: dict[str, Profile] = {
    "lite": Profile(unspeakable="你好"),
    "tone": Profile(),
}
