"""Parsing and locating references."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backends.hub import (
    HubReference,
    LocalFileMissing,
    LocalReference,
    MalformedReference,
    PackageReference,
    parse_reference,
)

COMMIT = "a" * 40


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://o/r", HubReference("o/r")),
        ("hf://o/r/", HubReference("o/r")),
        ("hf://models/o/r/a.txt", HubReference("o/r", "a.txt")),
        ("hf://o/r@v1.0", HubReference("o/r", "", "v1.0")),
        ("hf://o/r/a/b.txt", HubReference("o/r", "a/b.txt")),
        ("hf://o/r/folder/", HubReference("o/r", "folder")),
        (f"hf://o/r/a/b.txt@{COMMIT}", HubReference("o/r", "a/b.txt", COMMIT)),
        ("hf://o/r/a.txt@refs/pr/3", HubReference("o/r", "a.txt", "refs/pr/3")),
        ("hf://o/r/a.txt@feature/x", HubReference("o/r", "a.txt", "feature/x")),
        # huggingface_hub's form: the revision follows the repository.
        ("hf://o/r@main/a/b.txt", HubReference("o/r", "a/b.txt", "main")),
        ("hf://o/r@main/icon@2x.png", HubReference("o/r", "icon@2x.png", "main")),
        ("hf://o/r@refs/pr/3/a.txt", HubReference("o/r", "a.txt", "refs/pr/3")),
        ("hf://o/r@refs/pr/3", HubReference("o/r", "", "refs/pr/3")),
        ("hf://o/r@feature%2Fx/a.txt", HubReference("o/r", "a.txt", "feature/x")),
        ("hf://SWivid/F5-TTS/F5TTS_v1_Base/vocab.txt", HubReference("SWivid/F5-TTS", "F5TTS_v1_Base/vocab.txt")),
        ("package://f5_tts.infer/examples/a.wav", PackageReference("f5_tts.infer", "examples/a.wav")),
        ("package://f5_tts", PackageReference("f5_tts")),
    ],
)
def test_valid_forms_are_parsed(text: str, expected: object) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    "reference",
    [
        HubReference("o/r"),
        HubReference("o/r", "", "feature/x"),
        HubReference("o/r", "a/b.txt", "feature/x"),
        HubReference("o/r", "icon@2x.png", "feature/x"),
        HubReference("o/r", "a.txt", "refs/pr/1"),
        PackageReference("p.q", "a/b"),
    ],
)
def test_reference_round_trips_through_text(reference: HubReference | PackageReference) -> None:
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("hf://", "repository"),
        ("hf://gpt2", "repository"),
        ("hf://o/r--s/a", "repository"),
        ("hf://o/r.git", "repository"),
        ("hf:///r/a", "repository"),
        ("hf://o/r/../../etc/passwd", "not a valid path"),
        ("hf://o/r//a", "not a valid path"),
        ("hf://o/r/a\\b", "not a valid path"),
        ("hf://o/r/C:/a", "not a valid path"),
        (f"hf://o/r/{'a' * 300}", "not a valid path"),
        (f"hf://o/r/{'ü' * 128}", "not a valid path"),
        (f"hf://o/r/{'a/' * 1500}b", "not a valid path"),
        ("hf://o/r/\ud800", "not a valid path"),
        ("hf://o/r/\x1b[2J", "not a valid path"),
        (f"hf://o/r/a@{'b' * 300}", "branch"),
        ("hf://o/r/a@\ud800", "branch"),
        ("hf://o/r@", "revision|branch"),
        ("hf://o/r/a@", "branch"),
        ("hf://o/r/a@..", "branch"),
        ("hf://o/r/a@x/../y", "branch"),
        ("hf://o/r/a@/etc", "branch"),
        ("hf://o/r/a@-x", "branch"),
        ("hf://o/r/a@a b", "branch"),
        ("hf://datasets/o/r", "model repositories"),
        ("package://", "dotted package name"),
        ("package://a-b/c", "dotted package name"),
        ("package://a/../b", "not a valid path"),
        ("s3://bucket/key", "unknown scheme s3"),
        ("https://huggingface.co/o/r/resolve/v1/a/b.bin", "did you mean hf://o/r/a/b.bin@v1"),
        ("https://huggingface.co/o/r", "did you mean hf://o/r@main"),
        ("https://huggingface.co/", "unknown scheme https"),
    ],
)
def test_malformed_reference_names_the_fault(text: str, complaint: str) -> None:
    with pytest.raises(MalformedReference, match=complaint):
        parse_reference(text)


def test_local_path_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for text, base_dir, expected in [
        ("/a/b", None, Path("/a/b")),
        ("~/a", None, tmp_path / "a"),
        ("a", None, tmp_path / "a"),
        ("a", Path("/conf"), Path("/conf/a")),
        ("/a", Path("/conf"), Path("/a")),
    ]:
        reference = parse_reference(text, base_dir)
        assert isinstance(reference, LocalReference)
        assert reference.path == expected


def test_missing_path_that_looks_like_a_repository_gets_a_hint(tmp_path: Path) -> None:
    reference = parse_reference("SWivid/F5-TTS", tmp_path)
    assert isinstance(reference, LocalReference)
    with pytest.raises(LocalFileMissing, match="hf://SWivid/F5-TTS"):
        reference.locate()


def test_path_too_long_for_the_file_system_is_missing() -> None:
    reference = parse_reference("a" * 300)
    assert isinstance(reference, LocalReference)
    with pytest.raises(LocalFileMissing, match="too long"):
        reference.locate()


def test_package_file_is_located_without_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "brokenpkg" / "sub" / "data"
    data.mkdir(parents=True)
    (tmp_path / "brokenpkg" / "__init__.py").write_text("raise RuntimeError('imported')")
    (data / "vocab.txt").write_text("a")
    (tmp_path / "singlemodule.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for text in ("package://brokenpkg.sub/data/vocab.txt", "package://brokenpkg/sub/data/vocab.txt"):
        reference = parse_reference(text)
        assert isinstance(reference, PackageReference)
        assert reference.locate() == data / "vocab.txt"
    assert "brokenpkg" not in sys.modules
    for package, complaint in [
        ("brokenpkg/nothing", "not in"),
        ("nosuchpkg/a", "is not installed"),
        ("singlemodule/a", "single module"),
    ]:
        missing = parse_reference(f"package://{package}")
        assert isinstance(missing, PackageReference)
        with pytest.raises(LocalFileMissing, match=complaint):
            missing.locate()
