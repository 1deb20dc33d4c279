"""A browser, and pages in it that must not log errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import chromium
from support.ui_page import Open

expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")  # while it runs, so does an event loop, beside which async tests cannot start
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder of screenshots: that of the documentation if ``UI_SCREENSHOTS`` is set."""
    return Path(__file__).parents[2] / "docs/img" if os.environ.get("UI_SCREENSHOTS") else tmp_path


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a page; fail if it logs an error, throws, or asks another origin for anything.

    ``logs`` is a regular expression for errors that the test provokes.
    """
    problems: list[str] = []
    contexts = []

    def open_(url: str, logs: str = "", **context_options: Any) -> Page:
        context = browser.new_context(**{"locale": "en-US", **context_options})
        contexts.append(context)
        page = context.new_page()
        origin = re.match(r"https?://[^/]+", url)
        assert origin

        def on_console(message: Any) -> None:
            if message.type in ("error", "warning") and not (logs and re.search(logs, message.text)):
                problems.append(message.text)

        def on_request(request: Any) -> None:
            if not request.url.startswith((origin[0], f"blob:{origin[0]}", "data:")):
                problems.append(f"request to {request.url}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", on_request)
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []
