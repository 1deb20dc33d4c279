"""Decision records are complete, numbered without gaps, and listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs/decisions"
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_record_has_a_date_and_the_three_headings(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    number, title = re.findall(r"\A# (\d+)\. (.+)\n", text)[0]
    assert record.name.startswith(f"{int(number):04}-")
    assert re.search(r"^Date: \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequence"]
    assert f"[{record.name[:4]}]({record.name}) | {title} |" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_records_are_numbered_without_gaps() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_plain_english_record_has_ten_pairs() -> None:
    (record,) = FOLDER.glob("0001-*.md")
    rows = [line for line in record.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 10
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
