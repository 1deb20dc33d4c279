"""Results of a stage of the GPU benchmark, in a JSON file that is complete after every measurement."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """Rows and notes of one stage, written to ``out`` as they come, so that a time limit loses only what follows it.

    The file holds ``{"stage": str, "rows": [{"what": str, "values": {column: number or string}}], "notes": [str]}``.
    """

    stage: str
    out: Path | str
    rows: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.out = Path(self.out)
        self._write()

    def row(self, what: str, **values: float | str) -> None:
        """Add one measurement; each value stands in the column of its name."""
        self.rows.append({"what": what, "values": values})
        print(f"{what}: " + ", ".join(f"{name} {show(value)}" for name, value in values.items()), flush=True)
        self._write()

    def note(self, text: str) -> None:
        """Add a sentence that a reader of the table needs."""
        self.notes.append(text)
        print(text, flush=True)
        self._write()

    def _write(self) -> None:
        path = Path(self.out)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"stage": self.stage, "rows": self.rows, "notes": self.notes}, indent=1))
        part.replace(path)


def show(value: float | str) -> str:
    """Return a value as the table prints it: three significant digits, and no fraction from 100 on."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
