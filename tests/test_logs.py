"""Logs and errors never have the text of a request, which the messages of unexpected errors may quote."""

from __future__ import annotations

import subprocess
import sys

import pytest

from backends.errors import describe
from gateway.errors import InvalidRequest

SECRET = "my secret"

LOGGING = """
import logging, sys, structlog
from gateway.logs import configure
from gateway.settings import LogSettings
configure(LogSettings(format=sys.argv[1]))
try:
    try:
        int(sys.argv[2])
    except ValueError as error:
        raise KeyError(sys.argv[2]) from error
except KeyError as error:
    structlog.get_logger("ours").error("unexpected error", exc_info=error)
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)
"""


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_traceback_in_the_log_has_no_error_messages(log_format: str) -> None:
    command = [sys.executable, "-c", LOGGING, log_format, SECRET]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert SECRET not in log
    assert [log.count(name) for name in ("ValueError", "KeyError", "unexpected error", "never retrieved")] == [
        2,
        2,
        1,
        1,
    ]


def test_description_of_an_error_keeps_the_systems_reason() -> None:
    assert describe(OSError(28, "No space left on device")) == "OSError: No space left on device"
    assert describe(ValueError(SECRET)) == "ValueError"


def test_logged_reason_of_a_refused_text_does_not_quote_it() -> None:
    assert InvalidRequest(f"{SECRET!r} cannot be spoken", param="text").logged == "invalid text"
