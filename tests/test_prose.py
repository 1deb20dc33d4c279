"""Phrases that plain English avoids are found in prose, and only there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import prose


def names(tmp_path: Path, text: str, file: str = "page.md") -> list[str]:
    (tmp_path / file).write_text(text, encoding="utf-8")
    return [hit.name for hit in prose.hits(tmp_path / file, file)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("It is no engine.", "is no"),
        ("Those are no\narchives.", "is no"),
        ("None where there is none.", "there is none"),
        ("`text` has to be there.", "there is none"),
        ("It says what arrived is.", "what … is"),
        ("Whoever asks gets it.", "whoever, nobody"),
        ("Audio from strangers.", "strangers"),
        ("That is the gateway's business.", "business"),
        ("The codes come behind the text.", "behind (after)"),
        ("The client is told to wait.", "tell"),
        ("The weights lie in memory.", "lie"),
        ("`*` stands for all.", "stand for"),
        ("The first sentence is heard early.", "hear"),
        ("The licence of the catalogue.", "British spelling"),
        ("Neighbours are normalised.", "British spelling"),
    ],
)
def test_phrase_is_found(tmp_path: Path, text: str, name: str) -> None:
    assert set(names(tmp_path, text)) == {name}


@pytest.mark.parametrize(
    "text",
    [
        "It is no longer loaded, and is no more than a list.",
        "There is no queue.",
        "Behind a reverse proxy, behind one HTTP API, behind locks.",
        "Files that were left behind.",
        "Cancelled tasks; the license, analyses and synthesis of a promise; a parallel center.",
        "Set `licence` to what `is no` engine; see https://example.com/honour.",
        "```\nnobody is told what is here\n```",
        "What is it? Underlying outliers.",
    ],
)
def test_plain_text_has_no_hits(tmp_path: Path, text: str) -> None:
    assert names(tmp_path, text) == []


def test_python_is_searched_in_docstrings_comments_messages_and_test_names(tmp_path: Path) -> None:
    source = (
        '"""What an engine does."""\n'
        "\n"
        "# First line,\n"
        "# nobody reads it.\n"
        "nobody = 1  # strangers\n"
        "\n"
        "\n"
        "def test_what_it_is() -> None:\n"
        '    """Return it.\n'
        "\n"
        "    It is no\n"
        '    engine; ``nobody`` is code.\n    """\n'
        '    raise ValueError(f"{nobody} is no engine name", "nobody")\n'
    )
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    assert prose.hits(tmp_path / "module.py", "module.py") == [
        (1, prose.QUESTION, "What an engine does."),
        (4, "whoever, nobody", "nobody"),
        (5, "strangers", "strangers"),
        (8, "what … is", "what it is"),
        (11, "is no", "is no engine"),
        (14, "is no", "is no engine"),
    ]


def test_strings_of_tests_are_data(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text('text = "What is said is said by nobody."\n', encoding="utf-8")
    assert len(prose.hits(tmp_path / "module.py", "gateway/module.py")) == 2
    assert prose.hits(tmp_path / "module.py", "tests/module.py") == []


def test_yaml_keys_are_not_prose(tmp_path: Path) -> None:
    assert names(tmp_path, "licence: MIT  # its licence\n- catalogue: x\n", "file.yaml") == ["British spelling"]


def test_command_prints_totals_and_every_hit_and_never_fails() -> None:
    run = subprocess.run([sys.executable, prose.__file__, "--all"], capture_output=True, text=True, check=True)
    *found, total, summary = run.stdout.splitlines()
    assert total.startswith("total: ")
    assert "modules of the package" in summary
    assert not [line for line in found if "/golden/" in line or line.startswith(("docs/decisions/0001", ".venv"))]
