"""A gateway for each module of faults, checked for leftovers at its end, and the table of results."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.gateway_process import Gateway, start_gateway, wait_ready
from support.load import CONFIG, SECRET, Counts, Load, processes

Start = Callable[..., Load]
LIMITS = {"body_s": 3, "stall_s": 3, "drain_s": 10, "backlog_bytes": 64 * 2**20}


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Start gateways, each with its own temporary folder; at the end nothing of them is left and no log has a text."""
    begun: list[tuple[Gateway, Path]] = []
    seen: list[psutil.Process] = []

    def begin(
        env: dict[str, str] | None = None,
        settings: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        **limits: object,
    ) -> Load:
        folder = Path(tempfile.mkdtemp(prefix="vg"))  # a short path, since sockets are in it
        (folder / "tmp").mkdir()
        gateway = start_gateway(
            folder, {**CONFIG, **(settings or {}), "limits": limits}, env={"TMPDIR": str(folder / "tmp"), **(env or {})}
        )
        begun.append((gateway, folder))
        wait_ready(gateway)
        seen.extend(processes(gateway))
        return Load(gateway, headers)

    yield begin
    for gateway, folder in begun:
        gateway.client.close()
        if gateway.process.poll() is None:
            seen.extend(processes(gateway))
            assert gateway.stop() == 0, gateway.log.read_text()[-1000:]
        _, alive = psutil.wait_procs(seen, timeout=10)
        assert not alive, "no process is left"
        assert not list((folder / "tmp").iterdir()), "no temporary file is left"
        log = gateway.log.read_text()
        assert SECRET not in log, "the log quotes no text"
        unexpected = [line for line in log.splitlines() if '"unexpected error"' in line or line.startswith("Traceback")]
        assert not unexpected, unexpected[0][-600:]
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared(start: Start) -> Load:
    return start(**LIMITS)


@pytest.fixture
def load(shared: Load) -> Load:
    """The gateway that the faults of a module have in common, with nothing counted yet."""
    shared.counts = Counts()
    return shared


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str, str, object], None]:
    """Add a line to the table: fault, promise, figure."""
    began_at = time.monotonic()

    def add(fault: str, promise: str, figure: object) -> None:
        record_property("fault", (fault, promise, f"{figure}; {time.monotonic() - began_at:.0f} s"))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        "| {} | {} | `{}` | {} |".format(value[0], value[1], test.nodeid.rpartition("::")[2], value[2])
        for test in terminalreporter.stats.get("passed", [])
        for name, value in test.user_properties
        if name == "fault"
    ]
    if lines:
        terminalreporter.write_line("\n| fault | promise | test | figure |\n| --- | --- | --- | --- |")
        terminalreporter.write_line("\n".join(lines))
