"""docs/engines/f5.md: its text examples match f5-tts."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from support.f5 import upstream
from support.f5.synthetic import write_vocab

PAGE = (Path(__file__).parents[2] / "docs/engines/f5.md").read_text()


def convert(text: str) -> list[str]:
    return upstream.utils_infer().convert_char_to_pinyin([text])[0]


@pytest.mark.timeout(300)
def test_text_examples_match_f5_tts() -> None:
    section = PAGE.split("## How digits and symbols are read")[1]
    rows = re.findall(r"^\| `([^`]*)` \| `([^`]*)` \|", section, re.MULTILINE)
    assert len(rows) >= 7
    for text, becomes in rows:
        joiner = "|" if "|" in becomes else ""
        assert joiner.join(convert(text)) == becomes.replace("\\|", "|"), text


def test_listed_ascii_symbols_are_missing_from_the_vocabulary(tmp_path: Path) -> None:
    symbols = set(write_vocab(tmp_path).read_text().split("\n"))
    missing = {char for char in string.printable if char not in symbols} - set(string.whitespace)
    assert missing == set("<|^`}")
    assert {char for char in string.whitespace if char in symbols} == {" "}
