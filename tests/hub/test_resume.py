"""Interrupted downloads are resumed, by the same process, another process or another endpoint."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from support.hub.content import FETCH, REPO, WEIGHTS_BYTES, HubFor, Python, files, weights
from support.hub.fake_hub import FakeHub
from support.hub.fake_state import DEAD

from backends.hub import EndpointsFailed
from backends.hub.cache import PARTIAL_SUFFIX

WEIGHTS = f"hf://{REPO}/base/model.safetensors"
CONTENT = files()["base/model.safetensors"]
REPORT = """
def reports(stage, done, total):
    if stage.startswith("wait for another process"):
        open(sys.argv[2], "w").close()
"""


def partial(cache_dir: Path) -> Path:
    (found,) = cache_dir.rglob(f"*{PARTIAL_SUFFIX}")
    return found


@pytest.mark.parametrize("cut", [1, 65_536, 65_537, 300_000, WEIGHTS_BYTES - 1])
def test_second_endpoint_resumes_the_firsts_download(
    official: FakeHub, mirror: FakeHub, hub_for: HubFor, cut: int
) -> None:
    official.faults.cut_after = [cut]
    hub = hub_for(official, mirror, attempts=1)
    assert hub.fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert (official.served_bytes(), mirror.served_bytes()) == (cut, WEIGHTS_BYTES - cut)
    assert mirror.bodies()[0].headers["Range"] == f"bytes={cut}-"


def test_many_interruptions_transfer_no_byte_twice(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    official.faults.cut_after = [100_000, 1, 50_000]
    mirror.faults.cut_after = [200_000, 7]
    assert hub_for(official, mirror).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert official.served_bytes() + mirror.served_bytes() == WEIGHTS_BYTES


def test_next_run_resumes(official: FakeHub, mirror: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    official.faults.cut_every = 100_000
    with pytest.raises(EndpointsFailed, match="broke"):
        hub_for(official).fetch(WEIGHTS)
    assert partial(cache_dir).stat().st_size == 300_000, "three tries"
    (planned,) = hub_for(mirror).plan(WEIGHTS)
    assert (planned.cached, planned.partial_bytes) == (False, 300_000)
    assert hub_for(mirror).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert mirror.served_bytes() == WEIGHTS_BYTES - 300_000


def test_interrupted_attempt_with_progress_is_not_counted(official: FakeHub, hub_for: HubFor) -> None:
    """A large file arrives over a connection that breaks every few megabytes."""
    content = weights(1, 6 << 20)
    official.add("owner/large", {"model.bin": content})
    official.faults.cut_every = (1 << 20) + 1
    fetched = hub_for(official, attempts=1 + 1).fetch("hf://owner/large/model.bin")
    assert fetched.path.read_bytes() == content
    assert official.served_bytes() == len(content)


def test_stalling_endpoints_deliver_a_file_together(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    content = weights(2, 4 << 20)
    for hub in (official, mirror):
        hub.add("owner/large", {"model.bin": content})
        hub.faults.cut_every = (1 << 20) + 1
    assert hub_for(official, mirror, attempts=1).fetch("hf://owner/large/model.bin").path.read_bytes() == content


def test_partial_file_with_wrong_bytes_is_discarded(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    official.faults.cut_every = 100_000
    with pytest.raises(EndpointsFailed):
        hub_for(official).fetch(WEIGHTS)
    official.faults.cut_every = 0
    partial(cache_dir).write_bytes(bytes(300_000))
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert official.served_bytes() == 300_000 + (WEIGHTS_BYTES - 300_000) + WEIGHTS_BYTES


def test_corrupt_endpoint_does_not_discredit_the_next(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    official.faults.corrupt = True
    official.faults.cut_after = [400_000]  # past the corrupted middle
    hub = hub_for(official, mirror, attempts=1 + 1)
    official.faults.cut_every = 1
    assert hub.fetch(WEIGHTS).path.read_bytes() == CONTENT


def test_untrusted_endpoint_stays_excluded(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    official.faults.file_status, mirror.faults.corrupt = 418, True
    with pytest.raises(EndpointsFailed):
        hub_for(official, mirror).fetch(WEIGHTS)
    assert mirror.served_bytes() == WEIGHTS_BYTES


def test_progress_distinguishes_verifying_from_fetching(official: FakeHub, hub_for: HubFor) -> None:
    official.faults.cut_every = 100_000
    with pytest.raises(EndpointsFailed):
        hub_for(official).fetch(WEIGHTS)
    official.faults.cut_every = 0
    reports: list[tuple[str, int, int | None]] = []
    hub_for(official).fetch(WEIGHTS, lambda *report: reports.append(report))
    assert reports[0] == (f"verify cached {REPO}/base/model.safetensors", 300_000, WEIGHTS_BYTES)
    assert {stage for stage, _, _ in reports[1:]} == {f"fetch {REPO}/base/model.safetensors"}


def test_file_that_is_always_corrupt_fails(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    """All endpoints make progress, and the one at fault cannot be identified."""
    content = weights(3, 6 << 20)
    for hub in (official, mirror):
        hub.add("owner/large", {"model.bin": content})
        hub.faults.cut_every = (2 << 20) + 1
        hub.faults.corrupt = True
    with pytest.raises(EndpointsFailed, match="hash to"):
        hub_for(official, mirror, attempts=1).fetch("hf://owner/large/model.bin")
    assert official.served_bytes() + mirror.served_bytes() < 10 * len(content)


@pytest.mark.parametrize("length", [WEIGHTS_BYTES, WEIGHTS_BYTES + 5])
def test_partial_file_that_is_complete_or_too_long_is_handled(
    official: FakeHub, hub_for: HubFor, cache_dir: Path, length: int
) -> None:
    official.faults.cut_every = 100_000
    with pytest.raises(EndpointsFailed):
        hub_for(official).fetch(WEIGHTS)
    official.faults.cut_every = 0
    partial(cache_dir).write_bytes((CONTENT + bytes(5))[:length])
    before = official.served_bytes()
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert official.served_bytes() - before == (0 if length == WEIGHTS_BYTES else WEIGHTS_BYTES)


def test_removed_partial_file_leaves_no_hole(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    official.faults.cut_after = [100_000]

    def remove(pause_s: float) -> None:
        for path in cache_dir.rglob(f"*{PARTIAL_SUFFIX}"):
            path.unlink()

    assert hub_for(official, pause=remove).fetch(WEIGHTS).path.read_bytes() == CONTENT


def test_exception_in_progress_keeps_the_partial_download(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    class Stop(Exception):
        pass

    def stop(stage: str, done: int, total: int | None) -> None:
        if done:
            raise Stop

    with pytest.raises(Stop):
        hub_for(official).fetch(WEIGHTS, stop)
    kept = partial(cache_dir).stat().st_size
    assert kept > 0
    hub_for(official).fetch(WEIGHTS)
    assert official.bodies()[-1].headers["Range"] == f"bytes={kept}-"


def test_killed_process_leaves_its_bytes_and_no_lock(
    official: FakeHub, mirror: FakeHub, hub_for: HubFor, cache_dir: Path, python: Python
) -> None:
    official.faults.throttle_bytes_s = 400_000
    process = python(FETCH, WEIGHTS, HF_ENDPOINT=official.url)
    deadline_s = time.monotonic() + 20
    while not any(path.stat().st_size > 100_000 for path in cache_dir.rglob(f"*{PARTIAL_SUFFIX}")):
        assert time.monotonic() < deadline_s, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    kept = partial(cache_dir).stat().st_size
    started_s = time.monotonic()
    assert hub_for(mirror).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert time.monotonic() - started_s < 5
    assert mirror.served_bytes() == WEIGHTS_BYTES - kept


def test_two_processes_fetch_a_file_once(official: FakeHub, python: Python, cache_dir: Path) -> None:
    official.faults.throttle_bytes_s = 20_000  # until both are at it
    waited = cache_dir.parent / "waited"
    code = FETCH.replace("fetch(sys.argv[1])", "fetch(sys.argv[1], reports)").replace("print(", REPORT + "print(", 1)
    processes = [python(code, f"hf://{REPO}", str(waited), HF_ENDPOINT=official.url) for _ in range(2)]
    deadline_s = time.monotonic() + 30
    while not waited.exists():
        assert time.monotonic() < deadline_s
        assert [process.poll() for process in processes] == [None, None]
        time.sleep(0.01)
    official.faults.throttle_bytes_s = 0
    outputs = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    found = {name: Path(outputs[0][0].strip(), name).read_bytes() for name in files()}
    assert found == files()
    assert official.served_bytes() == sum(map(len, files().values()))


def test_lock_holder_without_progress_times_out(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    import filelock

    from backends.hub import LockTimeout

    (content,) = [c for name, c in official.repos[REPO].commits.popitem()[1].items() if name.endswith(".safetensors")]
    official.add(REPO, files())
    lock_path = cache_dir / ".locks/models--owner--voice" / f"{content.etag}.lock"
    lock_path.parent.mkdir(parents=True)
    reports: list[str] = []
    with (
        filelock.FileLock(lock_path),
        pytest.raises(LockTimeout, match=f"{lock_path} for .* fetched nothing meanwhile"),
    ):
        hub_for(official, lock_timeout_s=0.3).fetch(WEIGHTS, lambda stage, done, total: reports.append(stage))
    assert reports == [f"wait for another process to fetch {REPO}/base/model.safetensors"]
    assert os.access(hub_for(DEAD, official).fetch(WEIGHTS).path, os.R_OK)
