"""Fetching files, folders and repositories at branches and commits."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from support.hub.content import REPO, HubFor, Python, files
from support.hub.fake_hub import FakeHub

from backends.hub import NotFound, PackageReference


def test_file_is_fetched_into_the_snapshot(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    reports: list[tuple[str, int, int | None]] = []
    fetched = hub_for(official).fetch(f"hf://{REPO}/base/model.safetensors", lambda *report: reports.append(report))
    content = files()["base/model.safetensors"]
    commit = official.repos[REPO].refs["main"]
    assert fetched.path.read_bytes() == content
    assert fetched.path == cache_dir / f"models--owner--voice/snapshots/{commit}/base/model.safetensors"
    assert fetched.files == (fetched.path,)
    assert fetched.commit == commit
    assert reports[-1] == (f"fetch {REPO}/base/model.safetensors", len(content), len(content))
    assert [seen.path.partition("?")[0] for seen in official.bodies()] == [f"/{fetched.path.resolve().name}"]
    assert not list(cache_dir.rglob("*incomplete*"))


def test_folder_is_fetched_without_the_rest(official: FakeHub, hub_for: HubFor) -> None:
    fetched = hub_for(official).fetch(f"hf://{REPO}/base")
    assert fetched.path.name == "base"
    names = ["config.json", "model.safetensors", "vocab.txt"]
    assert [path.relative_to(fetched.path).as_posix() for path in fetched.files] == names
    assert [path.read_bytes() for path in fetched.files] == [files()[f"base/{name}"] for name in names]
    assert not (fetched.path.parent / "README.md").exists()


def test_repository_is_fetched_whole_or_by_pattern(official: FakeHub, hub_for: HubFor) -> None:
    some = hub_for(official).fetch(f"hf://{REPO}", allow=["*.json", "*.md"])
    assert {path.name for path in some.files} == {"README.md", "config.json"}
    fetched = hub_for(official).fetch(f"hf://{REPO}")
    found = {path.relative_to(fetched.path).as_posix(): path.read_bytes() for path in fetched.files}
    assert found == files()
    with pytest.raises(NotFound, match=r"none of its 5 files matches \*\.onnx"):
        hub_for(official).fetch(f"hf://{REPO}", allow=["*.onnx"])


def test_cached_files_are_not_fetched_again(official: FakeHub, hub_for: HubFor) -> None:
    hub, commit = hub_for(official), official.repos[REPO].refs["main"]
    hub.fetch(f"hf://{REPO}")
    before = len(official.seen)
    hub.fetch(f"hf://{REPO}")
    hub.fetch(f"hf://{REPO}/base/config.json")
    asked = {seen.path for seen in official.seen[before:]}
    assert not asked, "a branch stays where it was first resolved"
    hub.fetch(f"hf://{REPO}", update=True)
    hub.fetch(f"hf://{REPO}/base/config.json", update=True)
    assert {seen.path for seen in official.seen[before:]} == {f"/api/models/{REPO}/revision/main?blobs=true"}
    before = len(official.seen)
    hub.fetch(f"hf://{REPO}@{commit}")
    hub.fetch(f"hf://{REPO}/base/config.json@{commit}")
    assert len(official.seen) == before, "a pinned commit that is cached sends no request"


def test_branch_is_resolved_once_and_recorded(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    commit = official.add(REPO, {"new.txt": b"new"}, branch="feature/x")
    fetched = hub_for(official).fetch(f"hf://{REPO}@feature%2Fx")
    assert fetched.commit == commit
    assert (cache_dir / "models--owner--voice/refs/feature/x").read_text() == commit
    resolving = [seen for seen in official.seen if "/revision/" in seen.path]
    assert [seen.path for seen in resolving] == [f"/api/models/{REPO}/revision/feature%2Fx?blobs=true"]


def test_updated_branch_downloads_changed_files_only(official: FakeHub, hub_for: HubFor) -> None:
    hub = hub_for(official)
    first = hub.fetch(f"hf://{REPO}/base")
    official.add(REPO, files() | {"base/config.json": b'{"rate_hz": 44100}'})
    before = official.served_bytes()
    second = hub.fetch(f"hf://{REPO}/base", update=True)
    assert second.path != first.path
    assert official.served_bytes() - before == len(b'{"rate_hz": 44100}')
    assert (first.path / "config.json").read_bytes() == files()["base/config.json"]


def test_failed_update_keeps_the_old_commit(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    hub = hub_for(official)
    first = hub.fetch(f"hf://{REPO}/base")
    official.add(REPO, files() | {"base/config.json": b"{}"})
    official.faults.file_status = 500
    with pytest.raises(Exception, match="500"):
        hub.fetch(f"hf://{REPO}/base", update=True)
    offline = hub_for(official, offline=True).fetch(f"hf://{REPO}/base")
    assert offline == first


def test_branch_keeps_its_commit_until_updated(official: FakeHub, hub_for: HubFor) -> None:
    hub = hub_for(official)
    first = hub.fetch(f"hf://{REPO}/base/config.json")
    moved = official.add(REPO, files() | {"base/config.json": b"{}", "base/new.txt": b"new"})
    assert hub.fetch(f"hf://{REPO}/base/config.json") == first
    rest = hub.fetch(f"hf://{REPO}/base")
    assert rest.commit == first.commit, "what is missing comes from the same commit"
    assert [file.cached for file in hub.plan(f"hf://{REPO}/base")] == [True] * 3
    assert [file.cached for file in hub.plan(f"hf://{REPO}/base", update=True)] == [False, True, False, True]
    assert hub.fetch(f"hf://{REPO}/base", update=True).commit == moved
    assert hub.fetch(f"hf://{REPO}/base").commit == moved


def test_path_newer_than_the_recorded_commit_is_found(official: FakeHub, hub_for: HubFor) -> None:
    hub = hub_for(official)
    hub.fetch(f"hf://{REPO}/README.md")
    moved = official.add(REPO, files() | {"new.txt": b"new"})
    assert hub.fetch(f"hf://{REPO}/new.txt").commit == moved
    with pytest.raises(NotFound, match="no such file"):
        hub.fetch(f"hf://{REPO}/nothing.txt")


def test_recorded_commit_without_files_is_resolved_again(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    hub = hub_for(official)
    first = hub.fetch(f"hf://{REPO}/base")
    shutil.rmtree(cache_dir / "models--owner--voice/snapshots")
    moved = official.add(REPO, files() | {"base/config.json": b"{}"})
    assert first.commit != hub.fetch(f"hf://{REPO}/base").commit == moved


def test_progress_accumulates_over_files(official: FakeHub, hub_for: HubFor) -> None:
    reports: list[tuple[str, int, int | None]] = []
    hub_for(official).fetch(f"hf://{REPO}", lambda *report: reports.append(report))
    total = sum(map(len, files().values()))
    assert {report[2] for report in reports} == {total}
    done = [report[1] for report in reports]
    assert done == sorted(done)
    assert done[-1] == total
    assert {report[0] for report in reports} == {f"fetch {REPO}/{name}" for name in files()}
    reports.clear()
    hub_for().fetch(f"hf://{REPO}", lambda *report: reports.append(report), verify_cached=True)
    hashed = {f"verify cached {REPO}/{name}" for name, content in files().items() if content}
    assert {stage for stage, _, _ in reports} == hashed
    assert reports[-1][1:] == (total, total)


def test_plan_writes_nothing(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    hub = hub_for(official)
    plan = hub.plan(f"hf://{REPO}/base")
    assert [(file.path, file.size_bytes, file.cached) for file in plan] == [
        (name, len(content), False) for name, content in sorted(files().items()) if name.startswith("base/")
    ]
    assert not cache_dir.exists()
    hub.fetch(f"hf://{REPO}/base/config.json")
    assert [file.cached for file in hub.plan(f"hf://{REPO}/base")] == [True, False, False]


def test_names_that_need_escaping_are_fetched(official: FakeHub, hub_for: HubFor) -> None:
    names = ["a b/c#d.txt", "ünïcode?.txt", "100%25.txt", "icon@2x.png"]
    official.add("owner/odd", {name: name.encode() for name in names})
    for name in names:
        assert hub_for(official).fetch(f"hf://owner/odd@main/{name}").path.read_bytes() == name.encode()


@pytest.mark.parametrize(
    ("reference", "kind", "complaint"),
    [
        ("hf://owner/nothing/a.txt", NotFound, "owner/nothing.*HF_TOKEN"),
        (f"hf://{REPO}/README.md@v9", NotFound, "owner/voice@v9: no such revision"),
        (f"hf://{REPO}/README.md@{'e' * 40}", NotFound, "no such revision"),
        (f"hf://{REPO}/base/model.safetensor", NotFound, r"did you mean base/model\.safetensors\?"),
        (f"hf://{REPO}/bas", NotFound, "no such file or folder"),
    ],
)
def test_missing_item_raises_the_specific_error(
    official: FakeHub, mirror: FakeHub, hub_for: HubFor, reference: str, kind: type[Exception], complaint: str
) -> None:
    with pytest.raises(kind, match=complaint):
        hub_for(official, mirror).fetch(reference)


def test_local_and_package_references_work(tmp_path: Path, hub_for: HubFor, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "shippedpkg"
    (package / "data").mkdir(parents=True)
    for name in ("a.txt", "b.bin"):
        (package / "data" / name).write_bytes(b"12345")
    monkeypatch.syspath_prepend(str(tmp_path))
    hub = hub_for("http://127.0.0.1:9")
    folder = hub.fetch(str(package / "data"), allow=["*.txt"])
    assert folder.files == (package / "data" / "a.txt",)
    assert folder.commit is None
    shipped = hub.fetch("package://shippedpkg/data/b.bin")
    assert shipped.path == package / "data" / "b.bin"
    assert shipped.reference == PackageReference("shippedpkg", "data/b.bin")
    assert [(file.size_bytes, file.cached) for file in hub.plan("package://shippedpkg/data")] == [(5, True)] * 2
    assert "shippedpkg" not in sys.modules


def test_import_loads_no_http_client_and_no_numpy(python: Python) -> None:
    heavy = {"httpx", "httpx2", "huggingface_hub", "filelock", "numpy", "torch", "pydantic", "fastapi", "tqdm"}
    code = f"import sys, backends.hub; print({heavy} & set(sys.modules))"
    output, errors = python(code).communicate(timeout=30)
    assert output.strip() == "set()", errors


def test_cached_reference_needs_no_huggingface_hub(official: FakeHub, hub_for: HubFor, python: Python) -> None:
    hub_for(official).fetch(f"hf://{REPO}/base")
    code = "from backends.hub import *; import sys; hub = Hub(HubSettings.from_environment())\n"
    code += f"print(len(hub.fetch('hf://{REPO}/base').files), 'huggingface_hub' in sys.modules)"
    output, errors = python(code).communicate(timeout=60)
    assert output.split() == ["3", "False"], errors


def test_docstring_tree_lists_every_error() -> None:
    from backends.hub import errors

    assert errors.__doc__
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    for kind in kinds:
        assert issubclass(kind, errors.HubError)
        assert f" {kind.__name__} " in errors.__doc__ or errors.__doc__.count(kind.__name__) == 1, kind
