"""Verification and repair of cached files."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.hub.content import REPO, HubFor, files, weights
from support.hub.fake_hub import FakeHub
from support.hub.fake_state import DEAD

from backends.hub import EndpointsFailed, MalformedReference, MissingOffline


def damage(path: Path, keep_size: bool = True) -> None:
    blob = path.resolve()
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content if keep_size else content[:-1])


def test_sound_cache_has_no_problems(official: FakeHub, hub_for: HubFor) -> None:
    hub_for(official).fetch(f"hf://{REPO}")
    reports: list[str] = []
    report = hub_for(DEAD).check(progress=lambda stage, done, total: reports.append(stage))
    assert (report.files, report.problems, report.unverifiable) == (len(files()), (), ())
    assert report.size_bytes == sum(map(len, files().values()))
    assert f"check {REPO}/base/vocab.txt" in reports


@pytest.mark.parametrize("path", ["base/model.safetensors", "base/vocab.txt"])
def test_damaged_files_are_reported_and_fetched_again(official: FakeHub, hub_for: HubFor, path: str) -> None:
    hub = hub_for(official)
    fetched = hub.fetch(f"hf://{REPO}")
    damage(fetched.path / path)
    (problem,) = hub.check().problems
    assert (problem.repo, problem.file, problem.path) == (REPO, path, fetched.path / path)
    assert "hash to" in str(problem)
    assert [found.file for found in hub.check(f"hf://{REPO}/{path}").problems] == [path]
    assert not hub.check(f"hf://{REPO}/README.md").problems

    served = official.served_bytes()
    with pytest.raises(EndpointsFailed):
        hub_for(DEAD).fetch(f"hf://{REPO}", verify_cached=True)
    hub.fetch(f"hf://{REPO}", verify_cached=True)
    assert not hub.check().problems
    assert (fetched.path / path).read_bytes() == files()[path]
    assert official.served_bytes() - served == len(files()[path]), "only what was damaged is fetched again"


def test_truncated_file_is_fetched_again(official: FakeHub, hub_for: HubFor) -> None:
    hub = hub_for(official)
    fetched = hub.fetch(f"hf://{REPO}/base")
    damage(fetched.path / "model.safetensors", keep_size=False)
    hub.fetch(f"hf://{REPO}/base")
    assert (fetched.path / "model.safetensors").read_bytes() == files()["base/model.safetensors"]


def test_missing_blob_is_reported_and_fetched_again(official: FakeHub, hub_for: HubFor) -> None:
    hub = hub_for(official)
    fetched = hub.fetch(f"hf://{REPO}/base")
    (fetched.path / "vocab.txt").resolve().unlink()
    (problem,) = hub.check(f"hf://{REPO}/base").problems
    assert "cannot be read" in problem.complaint
    hub.fetch(f"hf://{REPO}/base/vocab.txt")
    assert not hub.check().problems


def test_shared_content_is_hashed_once_and_reported_per_path(official: FakeHub, hub_for: HubFor) -> None:
    official.add("owner/twins", {"a.txt": b"same", "b.txt": b"same"})
    fetched = hub_for(official).fetch("hf://owner/twins")
    assert hub_for().check().files == 1
    damage(fetched.path / "a.txt")
    assert {problem.file for problem in hub_for().check().problems} == {"a.txt", "b.txt"}


def test_files_without_recorded_hash_are_unverifiable(official: FakeHub, hub_for: HubFor) -> None:
    fetched = hub_for(official).fetch(f"hf://{REPO}/README.md")
    stray = fetched.path.parent / "stray.txt"
    stray.write_text("put here by hand")
    report = hub_for().check()
    assert report.unverifiable == (stray,)
    assert not report.problems


def test_partial_downloads_are_listed(official: FakeHub, hub_for: HubFor) -> None:
    hub = hub_for(official, attempts=1)
    hub.fetch(f"hf://{REPO}/README.md")
    official.faults.cut_every = 1000
    with pytest.raises(EndpointsFailed):
        hub.fetch(f"hf://{REPO}/base/model.safetensors")
    (unfinished,) = hub.check().unfinished
    assert unfinished.stat().st_size == 1000


def test_link_to_another_files_content_is_reported(official: FakeHub, hub_for: HubFor) -> None:
    """Each link points to a valid blob of another file."""
    fetched = hub_for(official).fetch(f"hf://{REPO}/base")
    one, other = fetched.path / "config.json", fetched.path / "vocab.txt"
    targets = one.readlink(), other.readlink()
    for name, target in ((one, targets[1]), (other, targets[0])):
        name.unlink()
        name.symlink_to(target)
    report = hub_for().check(f"hf://{REPO}/base")
    assert [problem.file for problem in report.problems] == ["base/config.json", "base/vocab.txt"]
    assert report.files == 3
    mended = hub_for(official).fetch(f"hf://{REPO}/base", verify_cached=True)
    assert not hub_for().check(f"hf://{REPO}/base").problems
    assert mended == fetched


def test_missing_file_of_a_named_reference_is_a_problem(official: FakeHub, hub_for: HubFor) -> None:
    fetched = hub_for(official).fetch(f"hf://{REPO}/base")
    (fetched.path / "vocab.txt").unlink()
    (problem,) = hub_for().check(f"hf://{REPO}/base").problems
    assert (problem.file, problem.complaint) == ("base/vocab.txt", "is not in the cache")
    assert not hub_for().check(f"hf://{REPO}/base", allow=["*.json"]).problems
    assert hub_for().check(f"hf://{REPO}/base", None, ["*.json"]).files == 1
    assert not hub_for().check(f"hf://{REPO}/base/config.json").problems
    assert not hub_for().check().problems, "that a repository is here in part is normal"


def test_missing_blob_of_a_single_file_is_a_problem(official: FakeHub, hub_for: HubFor) -> None:
    fetched = hub_for(official).fetch(f"hf://{REPO}/base/vocab.txt")
    fetched.path.resolve().unlink()
    (problem,) = hub_for().check(f"hf://{REPO}/base/vocab.txt").problems
    assert "cannot be read" in problem.complaint


def test_check_reports_hashed_bytes(official: FakeHub, hub_for: HubFor) -> None:
    official.add("owner/large", {"a.bin": weights(1, 3 << 20), "b.bin": weights(2, 2 << 20)})
    hub_for(official).fetch("hf://owner/large")
    reports: list[tuple[str, int, int | None]] = []
    hub_for().check("hf://owner/large", lambda *report: reports.append(report))
    assert {done for _, done, _ in reports} == {megabytes << 20 for megabytes in range(1, 6)}
    assert [done for _, done, _ in reports] == sorted(done for _, done, _ in reports)
    assert {total for _, _, total in reports} == {5 << 20}


def test_uncached_reference_raises_missing_offline(hub_for: HubFor) -> None:
    assert hub_for().check().files == 0
    with pytest.raises(MissingOffline):
        hub_for().check(f"hf://{REPO}")
    with pytest.raises(MalformedReference, match="only files from the hub"):
        hub_for().check("/tmp")
