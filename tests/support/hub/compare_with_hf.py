"""Compares how Voxgate and huggingface_hub handle the same faults; prints a Markdown table.

    python -m tests.support.hub.compare_with_hf [WORD …]     only faults whose description contains a WORD

Each cell is a run in its own process with an empty cache and default settings, against two fake hubs with the same
files; the first hub has the fault. huggingface_hub supports one endpoint and gets the first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from .content import ROOT
from .fake_hub import FakeHub, running
from .fake_state import DEAD

REPO = "owner/voice"
LARGE_BYTES = 40_000_000
TIMEOUT_S = 90
FILES = {"small.txt": b"small " * 1000, "model.bin": os.urandom(LARGE_BYTES)} | {
    f"voices/{index}.txt": b"voice %d" % index for index in range(5)
}

OURS = """
import sys, time
from backends.hub import Hub, HubSettings
name = sys.argv[1]
def get():
    return Hub(HubSettings.from_environment()).fetch("hf://owner/voice" + ("/" + name if name else "")).path
"""
THEIRS = """
import sys, time, warnings
warnings.simplefilter("ignore")
from huggingface_hub import hf_hub_download, snapshot_download
name = sys.argv[1]
def get():
    return hf_hub_download("owner/voice", name) if name else snapshot_download("owner/voice")
"""
RUN = """
import json, os, pathlib
if os.environ.get("CHANGE_ENDPOINT"):
    os.environ["HF_ENDPOINT"] = os.environ["CHANGE_ENDPOINT"]
try:
    print(json.dumps({"path": str(get())}))
except Exception as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
"""


@dataclass
class Case:
    """One fault.

    :param broken: a function that breaks the first hub.
    :param file: the file to fetch; empty: the whole repository.
    """

    fault: str
    broken: Callable[[FakeHub], object]
    file: str = "model.bin"
    processes: int = 1
    kill_at_bytes: int = 0
    endpoint: str = ""
    cache_on_tmpfs_bytes: int = 0
    variables: dict[str, str] = field(default_factory=dict)


def _set(**faults: object) -> Callable[[FakeHub], object]:
    # Copied, because a hub consumes its list of cuts.
    return lambda hub: [setattr(hub.faults, name, deepcopy(value)) for name, value in faults.items()]


def _gate(hub: FakeHub) -> None:
    hub.repos[REPO].gated = True


CASES = [
    Case("none", _set()),
    Case("the connection breaks once, halfway", _set(cut_after=[LARGE_BYTES // 2])),
    Case("the connection breaks every 8 MB", _set(cut_every=8_000_000)),
    Case(
        "the process is killed halfway (`kill -9`) and run again",
        _set(throttle_bytes_s=20_000_000),
        kill_at_bytes=LARGE_BYTES // 2,
    ),
    Case("the endpoint is dead", _set(), endpoint=DEAD),
    Case("the endpoint accepts connections and says nothing", _set(hang="answer")),
    Case("the transfer stops halfway and the connection stays", _set(hang="body", hang_after=LARGE_BYTES // 2)),
    Case("the transfer trickles at 200 bytes/s", _set(throttle_bytes_s=200)),
    Case("corrupt bytes of the right size, large file", _set(corrupt=True)),
    Case("corrupt bytes of the right size, small file", _set(corrupt=True), file="small.txt"),
    Case("a mirror redirects (308) to a dead host", _set(redirect_to=DEAD)),
    Case("the storage host is dead", _set(storage_url=DEAD)),
    Case("the xet storage host is dead", _set(xet=True)),
    Case(
        "a listing's next page points to a dead host",
        lambda hub: [setattr(hub, "page_size", 3), _set(next_link_host=DEAD)(hub)],
        file="",
    ),
    Case("no Content-Length, and a break halfway", _set(no_length=True, cut_after=[LARGE_BYTES // 2])),
    Case("a break halfway, and ranges are ignored", _set(ignore_range=True, cut_after=[LARGE_BYTES // 2])),
    Case("the announced length is 1000 bytes short", _set(announce=-1000)),
    Case("the endpoint is out of order (503)", _set(status=503)),
    Case("the endpoint does not have the repository", lambda hub: hub.repos.clear()),
    Case("the repository is gated, at every endpoint", _gate),
    Case("the disk has half the room (tmpfs)", _set(), cache_on_tmpfs_bytes=LARGE_BYTES // 2),
    Case("two processes fetch the same", _set(throttle_bytes_s=20_000_000), processes=2),
    Case("offline with an empty cache", _set(), variables={"HF_HUB_OFFLINE": "1"}),
    Case("`HF_ENDPOINT` set after the import", _set(), endpoint=DEAD, variables={"CHANGE_ENDPOINT": "second"}),
]


def _measure(case: Case, code: str, several_endpoints: bool) -> str:
    with ExitStack() as stack:
        first, second = stack.enter_context(running()), stack.enter_context(running())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for hub in (first, second):
            hub.add(REPO, FILES)
        case.broken(first)
        if case.broken is _gate:
            _gate(second)
        if case.cache_on_tmpfs_bytes:
            size = f"size={case.cache_on_tmpfs_bytes}"
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True)
            if mounted.returncode:
                return "(not measured: needs root)"
            stack.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
        endpoint = case.endpoint or first.url
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {"HF_ENDPOINT": f"{endpoint},{second.url}" if several_endpoints else endpoint}
        environment |= {"HF_HUB_CACHE": str(folder), "HF_HUB_DISABLE_PROGRESS_BARS": "1", **case.variables}
        if "CHANGE_ENDPOINT" in environment:
            environment["CHANGE_ENDPOINT"] = second.url
        started_s = time.monotonic()
        processes = [_start(code, case, environment) for _ in range(case.processes)]
        before_bytes = 0
        if case.kill_at_bytes:
            while first.served_bytes() < case.kill_at_bytes and processes[0].poll() is None:
                time.sleep(0.01)
            processes[0].kill()
            processes[0].communicate()
            time.sleep(0.2)
            before_bytes = first.served_bytes()
            processes = [_start(code, case, environment)]
        try:
            outputs = [process.communicate(timeout=TIMEOUT_S)[0] for process in processes]
        except subprocess.TimeoutExpired:
            for process in processes:
                process.kill()
                process.communicate()
            outputs = []
        elapsed_s = time.monotonic() - started_s
        served_bytes = first.served_bytes() + second.served_bytes() - before_bytes
        results = [json.loads(output.splitlines()[-1]) if output.strip() else {} for output in outputs]
        return f"{_outcome(case, results)}; {elapsed_s:.0f} s, {served_bytes / 1e6:.1f} MB"


def _start(code: str, case: Case, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code + RUN, case.file],
        env=environment,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _outcome(case: Case, results: list[dict[str, str]]) -> str:
    if not results:
        return f"**still waiting after {TIMEOUT_S} s**"
    for result in results:
        if "error" in result:
            return f"`{result['error']}`"
        wanted = {case.file: FILES[case.file]} if case.file else FILES
        place = Path(result["path"])
        for name, content in wanted.items():
            found = place if case.file else place / name
            if not found.is_file():
                return f"**reports success without {name}**"
            if found.read_bytes() != content:
                return "**delivers wrong bytes**"
    return "delivered"


def main() -> None:
    import huggingface_hub

    words = sys.argv[1:]
    print(f"| Fault | Voxgate | huggingface_hub {huggingface_hub.__version__} |\n|---|---|---|")
    for case in CASES:
        if not words or any(word in case.fault for word in words):
            print(f"| {case.fault} | {_measure(case, OURS, True)} | {_measure(case, THEIRS, False)} |", flush=True)


if __name__ == "__main__":
    main()
