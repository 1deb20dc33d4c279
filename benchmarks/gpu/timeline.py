"""Busy time of a device by kernel, from a profiler's trace in Chrome's format."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

NAME_CHARS = 60

Events = list[dict[str, Any]]
"""Each with ``name``, ``ts`` and ``dur`` in µs, ``pid`` and ``tid``."""


def busy_us(events: Iterable[dict[str, Any]]) -> float:
    """Return how long at least one of them was under way."""
    total = reached = 0.0
    for start, end in sorted((float(event["ts"]), float(event["ts"]) + float(event["dur"])) for event in events):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def own_us(events: Events) -> tuple[Counter[str], Counter[str]]:
    """Return the time of each name without nested calls, and its count."""
    spent: Counter[str] = Counter()
    count: Counter[str] = Counter()
    rows: defaultdict[tuple[Any, Any], Events] = defaultdict(list)
    for event in events:
        rows[event["pid"], event["tid"]].append(event)
    for row in rows.values():
        around: list[tuple[str, float]] = []  # those still under way, with their ends
        for event in sorted(row, key=lambda event: (float(event["ts"]), -float(event["dur"]))):
            start, took = float(event["ts"]), float(event["dur"])
            name = short(event["name"])
            while around and around[-1][1] <= start:
                around.pop()
            if around:
                spent[around[-1][0]] -= took
            spent[name] += took
            count[name] += 1
            around.append((name, start + took))
    return spent, count


def short(name: str) -> str:
    """Return a kernel's name without return type, namespaces, and arguments."""
    name = re.sub(r"^void |\((anonymous namespace\)::|[a-z ]+\))|at::native::|\bcutlass::", "", name)
    name = name.partition("(")[0].strip() or name
    return name if len(name) <= NAME_CHARS else f"{name[: NAME_CHARS - 1]}…"
