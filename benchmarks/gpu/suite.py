"""Stage 2: the tests that need a GPU, ``pytest -m gpu tests/gpu``."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from report import Report

ROOT = Path(__file__).resolve().parents[2]


class Recorder:
    """A pytest plugin that reports outcomes as they come: a row for each test that did not pass."""

    def __init__(self, report: Report):
        self._report = report
        self._seconds: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._add("error", report.nodeid, report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._add("failed" if report.when == "call" else "error", report.nodeid, report.longreprtext)
        elif report.skipped:
            self._add("skipped", report.nodeid, report.longreprtext)
        elif report.when == "call":
            self.outcomes["passed"] += 1

    def _add(self, outcome: str, test: str, text: str) -> None:
        self.outcomes[outcome] += 1
        because = next((line[1:].strip() for line in text.splitlines() if line.startswith("E ")), text[-200:])
        self._report.row(test, **{outcome: because})

    def summarize(self) -> None:
        self._report.row("all tests", **self.outcomes, seconds=sum(self._seconds.values()))
        slowest = ", ".join(
            f"{test.partition('::')[2]} {seconds:.1f} s" for test, seconds in self._seconds.most_common(3)
        )
        self._report.note(f"slowest: {slowest}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--quick", action="store_true", help="without those of the 400M language model")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    sys.path[0] = str(ROOT)  # not this folder, whose module names are common ones
    # The machine has untested plugins; only the two that pyproject.toml configures are loaded. Warnings
    # of other library versions do not matter to this stage.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["GPU_TESTS_DEVICE"] = arguments.device
    recorder = Recorder(Report("tests", arguments.out))
    flags = [
        "-p",
        "asyncio",
        "-p",
        "timeout",
        "-p",
        "no:cacheprovider",
        "-W",
        "default",
        "--durations=10",
        "--tb=short",
    ]
    flags += ["-k", "not lm_400m"] if arguments.quick else []
    code = pytest.main(["-m", "gpu", "tests/gpu", *flags], plugins=[recorder])
    recorder.summarize()
    return int(code)


if __name__ == "__main__":
    raise SystemExit(main())
