"""Offline mode, and unreachable endpoints: the cache is used, or the error lists what is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.hub.content import REPO, HubFor, files
from support.hub.fake_hub import FakeHub
from support.hub.fake_state import DEAD

from backends.hub import EndpointsFailed, MissingOffline


def test_offline_uses_the_cache_without_requests(official: FakeHub, hub_for: HubFor) -> None:
    online = hub_for(official).fetch(f"hf://{REPO}")
    before = len(official.seen)
    offline = hub_for(official, offline=True)
    assert offline.fetch(f"hf://{REPO}") == online
    assert offline.fetch(f"hf://{REPO}/base/config.json").path.read_bytes() == files()["base/config.json"]
    assert all(file.cached for file in offline.plan(f"hf://{REPO}/base"))
    assert len(official.seen) == before


@pytest.mark.parametrize("reference", [f"hf://{REPO}", f"hf://{REPO}/README.md", f"hf://{REPO}/README.md@{'a' * 40}"])
def test_offline_with_empty_cache_raises(hub_for: HubFor, cache_dir: Path, reference: str) -> None:
    with pytest.raises(MissingOffline, match=r"owner/voice.*offline"):
        hub_for(DEAD, offline=True).fetch(reference)
    assert not cache_dir.exists()


def test_offline_error_lists_missing_files(official: FakeHub, hub_for: HubFor) -> None:
    hub_for(official).fetch(f"hf://{REPO}/base/config.json")
    with pytest.raises(MissingOffline, match="lacks 2 of 3 files") as caught:
        hub_for(official, offline=True).fetch(f"hf://{REPO}/base")
    assert caught.value.missing == ("base/model.safetensors", "base/vocab.txt")
    with pytest.raises(MissingOffline, match=r"lacks 1 of 1 files: README\.md"):
        hub_for(official, offline=True).fetch(f"hf://{REPO}/README.md")


def test_file_known_from_another_snapshot_needs_no_network(official: FakeHub, hub_for: HubFor) -> None:
    hub = hub_for(official)
    first = hub.fetch(f"hf://{REPO}/base")
    official.add(REPO, files() | {"README.md": b"# new\n"})
    second = hub.fetch(f"hf://{REPO}/README.md", update=True)
    assert second.commit != first.commit
    assert len(hub_for(offline=True).fetch(f"hf://{REPO}/base").files) == 3


@pytest.mark.parametrize("fault", ["dead", "gone", "gated"])
def test_cached_files_are_used_when_no_endpoint_delivers(
    official: FakeHub, hub_for: HubFor, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    online = hub_for(official).fetch(f"hf://{REPO}/base")
    if fault == "gone":
        del official.repos[REPO]
    elif fault == "gated":
        official.repos[REPO].private = True
    hub = hub_for(DEAD if fault == "dead" else official)
    assert hub.fetch(f"hf://{REPO}/base", update=True) == online
    assert "using the cached commit" in caplog.text


def test_incomplete_cache_fails_when_no_endpoint_responds(official: FakeHub, hub_for: HubFor) -> None:
    hub_for(official).fetch(f"hf://{REPO}/base/config.json")
    with pytest.raises(EndpointsFailed, match=r"(?s)lacks 2 of 3 files.*no connection") as caught:
        hub_for(DEAD).fetch(f"hf://{REPO}/base", update=True)
    with pytest.raises(EndpointsFailed, match=r"(?s)no endpoint delivered .*no connection"):
        hub_for(DEAD).fetch(f"hf://{REPO}/base")
    assert caught.value.failures[0][0] == DEAD


def test_folder_without_cached_listing_is_used_with_a_warning(
    official: FakeHub, hub_for: HubFor, cache_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub_for(official).fetch(f"hf://{REPO}/base")
    shutil.rmtree(cache_dir / "models--owner--voice/trees")
    assert len(hub_for(offline=True).fetch(f"hf://{REPO}/base").files) == 3
    assert "cannot determine whether its 3 cached files are complete" in caplog.text
    assert len(hub_for(offline=True).plan(f"hf://{REPO}/base")) == 3
    commit = official.repos[REPO].refs["main"]
    assert len(hub_for(DEAD).fetch(f"hf://{REPO}/base").files) == 3
    assert len(hub_for(DEAD).fetch(f"hf://{REPO}/base@{commit}").files) == 3
    with pytest.raises(EndpointsFailed):
        hub_for(DEAD).fetch(f"hf://{REPO}/other@{commit}")
    with pytest.raises(MissingOffline):
        hub_for(offline=True).fetch(f"hf://{REPO}/other")


def test_damaged_listing_is_requested_again(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    hub_for(official).fetch(f"hf://{REPO}/base")
    (listing,) = (cache_dir / "models--owner--voice/trees").iterdir()
    for damage in ("{", "[]", '{"format_version": 2}', '{"format_version": 1, "files": {"a": {}}}'):
        listing.write_text(damage)
        assert len(hub_for(official).fetch(f"hf://{REPO}/base").files) == 3


@pytest.mark.parametrize(
    "lie",
    [
        {"blob_id": "../../../secret.txt"},
        {"blob_id": "a" * 40 + "/../../../../secret.txt"},
        {"lfs_sha256": "../../../secret.txt"},
        {"size": "6"},
        {"size": -1},
        {"size": True},
    ],
)
def test_listing_that_escapes_the_cache_is_ignored(
    official: FakeHub, hub_for: HubFor, cache_dir: Path, lie: dict[str, object]
) -> None:
    """Other programs can write to the cache."""
    hub_for(official).fetch(f"hf://{REPO}/base/config.json")
    (cache_dir.parent / "secret.txt").write_bytes(b"secret")
    (listing,) = (cache_dir / "models--owner--voice/trees").iterdir()
    document = json.loads(listing.read_bytes())
    document["files"]["base/vocab.txt"] |= {"size": 6, **lie}
    listing.write_text(json.dumps(document))
    with pytest.raises(MissingOffline):
        hub_for(offline=True).fetch(f"hf://{REPO}/base/vocab.txt")
    fetched = hub_for(official).fetch(f"hf://{REPO}/base")
    assert {path.name: path.read_bytes() for path in fetched.files} == {
        path.name: files()[f"base/{path.name}"] for path in fetched.files
    }
    assert all(path.resolve().is_relative_to(cache_dir) for path in fetched.files)


@pytest.mark.parametrize("path", ["../../../out", "b" * 300, "a\x1b"])
def test_listing_with_an_unsafe_path_is_ignored(official: FakeHub, hub_for: HubFor, cache_dir: Path, path: str) -> None:
    hub_for(official).fetch(f"hf://{REPO}/base/config.json")
    (listing,) = (cache_dir / "models--owner--voice/trees").iterdir()
    document = json.loads(listing.read_bytes())
    document["files"][path] = document["files"]["base/vocab.txt"]
    listing.write_text(json.dumps(document))
    asked = len(official.seen)
    assert len(hub_for(official).fetch(f"hf://{REPO}").files) == len(files())
    assert len([seen for seen in official.seen[asked:] if "/revision/" in seen.path]) == 1


def test_wrong_listing_is_deleted_after_a_failure(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    hub_for(official).fetch(f"hf://{REPO}/base/config.json")
    (listing,) = (cache_dir / "models--owner--voice/trees").iterdir()
    (content,) = (
        c for name, c in next(iter(official.repos[REPO].commits.values())).items() if name == "base/vocab.txt"
    )
    listing.write_text(listing.read_text().replace(content.git_sha1, "0" * 40))
    with pytest.raises(EndpointsFailed, match=f"not {'0' * 40}"):
        hub_for(official).fetch(f"hf://{REPO}/base/vocab.txt")
    assert hub_for(official).fetch(f"hf://{REPO}/base/vocab.txt").path.read_bytes() == content.source
