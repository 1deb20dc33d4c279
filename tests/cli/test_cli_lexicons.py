"""``voxgate lexicons``, run as a process with and without a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.gateway_process import TONE, Gateway


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    settings = {**TONE, "data_dir": str(tmp_path / "data"), "lexicons": {"default": ["products"]}}
    path.write_text(yaml.safe_dump(settings))
    return path


def lexicons(*arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "lexicons", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == status, result.stdout + result.stderr
    return result


@pytest.mark.parametrize("remote", [True, False])
def test_dictionaries_are_stored_shown_listed_and_removed(
    gateway: Gateway, config: Path, tmp_path: Path, remote: bool
) -> None:
    where = ("--server", gateway.url) if remote else ("--config", config)
    file = tmp_path / "products.json"
    file.write_text(json.dumps({"language": "en", "entries": {"nginx": "engine x"}}))
    assert lexicons("put", file, *where).stderr == "stored products\n"
    assert lexicons("put", file, *where).stderr == "replaced products\n"
    shown = lexicons("show", "products", *where).stdout
    assert json.loads(shown) == {"language": "en", "voices": [], "entries": {"nginx": "engine x"}}
    file.write_text(shown)
    lexicons("put", file, *where)
    row = next(line for line in lexicons("list", *where).stdout.splitlines() if "products" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["products", "en", "all", "1", "no" if remote else "yes"]
    assert lexicons("remove", "products", *where).stderr == "removed products\n"
    assert "unknown lexicon 'products'" in lexicons("remove", "products", *where, status=1).stderr


@pytest.mark.parametrize("remote", [True, False])
def test_pls_is_imported_and_exported(gateway: Gateway, config: Path, tmp_path: Path, remote: bool) -> None:
    where = ("--server", gateway.url) if remote else ("--config", config)
    file = tmp_path / "words.pls"
    file.write_text(
        '<lexicon xml:lang="en"><lexeme><grapheme>AT&amp;T</grapheme><alias>a t and t</alias></lexeme>'
        "<lexeme><grapheme>Worcester</grapheme><phoneme>x</phoneme></lexeme></lexicon>"
    )
    stored = lexicons("put", file, "--name", "names", *where).stderr
    assert stored == "skipped 'Worcester', which has phonemes only: add an alias\nstored names\n"
    exported = lexicons("show", "names", "--pls", *where).stdout
    assert "<grapheme>AT&amp;T</grapheme><alias>a t and t</alias>" in exported
    file.write_text(exported)
    assert lexicons("put", file, "--name", "names", *where).stderr == "replaced names\n"
    lexicons("remove", "names", *where)


@pytest.mark.parametrize("remote", [True, False])
def test_errors_are_printed(gateway: Gateway, config: Path, tmp_path: Path, remote: bool) -> None:
    where = ("--server", gateway.url) if remote else ("--config", config)
    file = tmp_path / "bad.json"
    assert "cannot read" in lexicons("put", file, *where, status=1).stderr
    file.write_text('{"entries": {"a": ""}}')
    assert "entries: the respelling '' of 'a' has no letter" in lexicons("put", file, *where, status=1).stderr
    file.write_text('{"entries": {}}')
    result = lexicons("put", file, "--name", "Bad", *where, status=1)
    assert "invalid lexicon name 'Bad': must match [a-z][a-z0-9_-]{0,63}" in result.stderr
    assert "unknown lexicon 'a/b'" in lexicons("show", "a/b", *where, status=1).stderr or remote
