"""Findings of ``voxgate doctor``, and their table."""

from __future__ import annotations

from typing import NamedTuple

from rich.table import Table
from rich.text import Text

_MARKS = {True: Text("ok", "green"), False: Text("!!", "bold red"), None: Text("")}


class Finding(NamedTuple):
    """A line of the report; ``ok`` is None for plain information."""

    ok: bool | None
    subject: str
    state: str


class Report:
    """A table of findings, and the number of problems among them."""

    def __init__(self) -> None:
        self.table = Table("", "item", "state")
        self.problems = 0

    def add(self, finding: Finding) -> None:
        """Append a line."""
        self.problems += finding.ok is False
        self.table.add_row(_MARKS[finding.ok], finding.subject, finding.state)
