"""The golden table: what people write, and the words that a reader would say.

``tests/text/golden/LANGUAGE.tsv`` has the columns category, written and spoken, one sentence a row. A row checks that
the text is read as given and that an edit has its category; the category ``none`` is for text that stays as it is.
``\\n`` and ``\\t`` in a cell are a line break and a tab.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gateway.text.mapped_text import MappedText
from gateway.text.normalize import CATEGORIES, normalization_edits

GOLDEN = Path(__file__).parents[1] / "golden"
LANGUAGES = {"english": "en", "chinese": "zh", "japanese": "ja", "german": "de", "french": "fr", "spanish": "es"}
LANGUAGES |= {"italian": "it", "portuguese": "pt", "dutch": "nl", "polish": "pl", "russian": "ru", "finnish": "fi"}
LANGUAGES |= {"arabic": "ar", "hindi": "hi"}
UNCHANGED = "none"

Row = tuple[str, str, str, str]


def rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        assert table.fieldnames == ["category", "written", "spoken"], path.name
        return [(path.stem, row["category"], cell(row["written"]), cell(row["spoken"])) for row in table]


def cell(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t")


TABLES = {path.stem: rows(path) for path in sorted(GOLDEN.glob("*.tsv"))}
ROWS = [row for table in TABLES.values() for row in table]


@pytest.mark.parametrize(("table", "category", "written", "spoken"), ROWS, ids=[f"{row[0]}-{row[2]}" for row in ROWS])
def test_text_is_spoken_as_in_the_table(table: str, category: str, written: str, spoken: str) -> None:
    edits = normalization_edits(written, LANGUAGES[table], frozenset(CATEGORIES))
    assert MappedText.of(written).apply(edits).text == spoken
    if category == UNCHANGED:
        assert written == spoken
    else:
        assert category in {edit.category for edit in edits}


@pytest.mark.parametrize("table", TABLES)
def test_table_has_no_row_twice_and_no_unknown_category(table: str) -> None:
    written = [row[2] for row in TABLES[table]]
    assert len(written) == len(set(written))
    assert {row[1] for row in TABLES[table]} <= {*CATEGORIES, UNCHANGED}
