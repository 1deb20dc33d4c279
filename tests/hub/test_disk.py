"""Disk faults: full, forbidden, read-only, or without symbolic links."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.hub.content import REPO, WEIGHTS_BYTES, HubFor, Python, files
from support.hub.fake_hub import FakeHub

from backends.hub import CacheError, DiskFull
from backends.hub.cache import PARTIAL_SUFFIX

WEIGHTS = f"hf://{REPO}/base/model.safetensors"
CONTENT = files()["base/model.safetensors"]
NOBODY_UID = 65534


def test_too_little_space_is_detected_before_the_download(
    official: FakeHub, hub_for: HubFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs

    def nearly_full(path: Any) -> Any:
        found = list(real(path))
        found[4] = WEIGHTS_BYTES // found[1] - 1  # f_bavail, in units of f_frsize
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", nearly_full)
    with pytest.raises(DiskFull, match=r"needs 0\.6 MB more, but .* has room for 0\.6 MB; free some"):
        hub_for(official).fetch(WEIGHTS)
    assert not official.bodies()
    assert hub_for(official).fetch(f"hf://{REPO}/base/config.json").commit, "what fits is fetched"


def test_full_disk_keeps_the_partial_download(
    official: FakeHub, hub_for: HubFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("backends.hub.download.os.fsync", full)
        with pytest.raises(DiskFull, match="continued once there is room"):
            hub_for(official).fetch(WEIGHTS)
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert official.served_bytes() == WEIGHTS_BYTES


def settled(hub: FakeHub) -> int:
    """Bytes served, after the server has noticed that its last client is gone; it may have sent one more chunk."""
    while True:
        served = hub.served_bytes()
        time.sleep(0.3)
        if hub.served_bytes() == served:
            return served


def test_file_size_limit_raises_disk_full(official: FakeHub, hub_for: HubFor, python: Python, cache_dir: Path) -> None:
    """A resource limit on file size simulates a file system that has one."""
    code = """
import resource, sys
from backends.hub import Hub, HubError, HubSettings
resource.setrlimit(resource.RLIMIT_FSIZE, (20_001, 20_001))
try:
    Hub(HubSettings.from_environment()).fetch(sys.argv[1])
except HubError as error:
    print(type(error).__name__, error)
"""
    official.faults.throttle_bytes_s = 80_000  # pieces of 4000 bytes, smaller than any buffer
    output, errors = python(code, WEIGHTS, HF_ENDPOINT=official.url).communicate(timeout=30)
    official.faults.throttle_bytes_s = 0
    assert output.startswith("DiskFull no room left at"), errors
    (partial,) = cache_dir.rglob(f"*{PARTIAL_SUFFIX}")
    assert partial.stat().st_size == 20_001
    before = settled(official)
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert official.served_bytes() - before == WEIGHTS_BYTES - 20_001


def test_cache_that_cannot_be_created_is_named(official: FakeHub, hub_for: HubFor) -> None:
    with pytest.raises(CacheError, match=r"cannot be written at /proc/.*HF_HUB_CACHE"):
        hub_for(official, cache_dir=Path("/proc/1/cache")).fetch(WEIGHTS)


def test_read_only_partial_file_is_named(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    def take_away(pause_s: float) -> None:
        (partial,) = cache_dir.rglob(f"*{PARTIAL_SUFFIX}")
        partial.chmod(0o444)
        if os.geteuid() == 0:  # whom modes do not hold back
            os.seteuid(NOBODY_UID)

    official.faults.cut_after = [100_000]
    user = os.geteuid()
    try:
        with pytest.raises(CacheError, match=rf"{PARTIAL_SUFFIX} \(Permission denied\)"):
            hub_for(official, pause=take_away).fetch(WEIGHTS)
    finally:
        os.seteuid(user)


def test_file_in_place_of_the_cache_is_named(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    cache_dir.write_text("")
    with pytest.raises(CacheError, match="Not a directory"):
        hub_for(official).fetch(WEIGHTS)


def test_complete_read_only_cache_works(official: FakeHub, hub_for: HubFor, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = hub_for(official).fetch(f"hf://{REPO}/base")
    official.add(REPO, files(), branch="same")

    def read_only(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("mkdir", "write_text"):
        monkeypatch.setattr(Path, name, read_only)
    again = hub_for(official).fetch(f"hf://{REPO}/base@same")
    assert (again.path, again.files) == (fetched.path, fetched.files)


def test_without_links_a_waiting_process_does_not_fetch_again(
    official: FakeHub, hub_for: HubFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    for name in ("symlink", "link"):
        monkeypatch.setattr(os, name, unsupported)
    fetches = [threading.Thread(target=hub_for(official).fetch, args=(WEIGHTS,)) for _ in range(2)]
    official.faults.throttle_bytes_s = 1_000_000
    for fetch in fetches:
        fetch.start()
    for fetch in fetches:
        fetch.join(20)
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert official.served_bytes() == WEIGHTS_BYTES


@pytest.mark.parametrize("lacking", [[], ["symlink", "link"]])
def test_failed_rename_keeps_the_blob(
    official: FakeHub, hub_for: HubFor, monkeypatch: pytest.MonkeyPatch, lacking: list[str], cache_dir: Path
) -> None:
    def unsupported(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    commit = official.repos[REPO].refs["main"]
    in_the_way = cache_dir / f"models--owner--voice/snapshots/{commit}/base/model.safetensors"
    in_the_way.mkdir(parents=True)
    with monkeypatch.context() as patched:
        for name in lacking:
            patched.setattr(os, name, unsupported)
        with pytest.raises(CacheError, match="directory"):
            hub_for(official).fetch(WEIGHTS)
    assert not list(cache_dir.rglob("*.tmp"))
    in_the_way.rmdir()
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert official.served_bytes() == WEIGHTS_BYTES


def test_file_system_without_locks_is_refused(
    official: FakeHub, hub_for: HubFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no fallback, because other programs that share the cache would not see it."""

    def unsupported(*args: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with pytest.raises(CacheError, match="Function not implemented"):
        hub_for(official).fetch(WEIGHTS)


@pytest.mark.parametrize("lacking", [["symlink"], ["symlink", "link"]])
def test_file_system_without_links_gets_the_file_itself(
    official: FakeHub, hub_for: HubFor, monkeypatch: pytest.MonkeyPatch, lacking: list[str]
) -> None:
    def unsupported(*args: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    for name in lacking:
        monkeypatch.setattr(os, name, unsupported)
    hub = hub_for(official)
    fetched = hub.fetch(f"hf://{REPO}")
    found = {path.relative_to(fetched.path).as_posix(): path.read_bytes() for path in fetched.files}
    assert found == files()
    served = official.served_bytes()
    assert hub.fetch(f"hf://{REPO}") == fetched
    assert official.served_bytes() == served
    assert not hub.check().problems
