"""The table that ends a run of the GPU benchmark: at most 60 lines, whatever the stages found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from report import show

MOST_LINES = 60
CELL_CHARS = 240


def render(machine: Mapping[str, str], stages: Sequence[Mapping[str, Any]], most_lines: int = MOST_LINES) -> str:
    """Return a line that says what ran where, and a Markdown table; the longest stages are cut where room is short."""
    where = f"{machine['card']}, driver {machine['driver']}, {machine['date']}"
    kept = _shares([len(stage["rows"]) for stage in stages], most_lines - 4)
    states, lines = [], []
    for stage, count in zip(stages, kept, strict=True):
        left_out = len(stage["rows"]) - count
        cut = f", {left_out} more rows in results.json" if left_out else ""
        states.append(f"{stage['name']} {stage['status']} ({stage['seconds']:.0f} s{cut})")
        for row in stage["rows"][:count]:
            values = ", ".join(f"{name} {show(value)}" for name, value in row["values"].items())
            lines.append(_line(stage["name"], row["what"], values))
    return "\n".join(
        [f"{where}: {'; '.join(states)}", "", _line("stage", "what", "found"), "| --- | --- | --- |", *lines]
    )


def _shares(wanted: list[int], room: int) -> list[int]:
    """Cut the largest numbers until their sum is at most ``room``."""
    kept = list(wanted)
    while sum(kept) > room and any(kept):
        kept[kept.index(max(kept))] -= 1
    return kept


def _line(*cells: str) -> str:
    clean = (" ".join(cell.split()).replace("|", "/") for cell in cells)
    return "| " + " | ".join(cell if len(cell) <= CELL_CHARS else cell[: CELL_CHARS - 1] + "…" for cell in clean) + " |"
