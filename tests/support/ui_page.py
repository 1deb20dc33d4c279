"""What tests do with the page at /ui."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"

Open = Callable[..., Page]


def status(page: Page) -> Any:
    return page.locator("[role=status]")


def wait_state(page: Page, state: str) -> None:
    expect(status(page)).to_have_attribute("data-state", state)


def position_s(page: Page) -> float:
    minutes, seconds = page.locator(".position").inner_text().split(" / ")[0].split(":")
    return int(minutes) * 60 + float(seconds)


def figure(page: Page, name: str) -> str:
    return page.locator(f"[data-figure={name}]").inner_text()


def ready(page: Page, engine: str = "lite") -> None:
    """Wait until the engine picker has the engine."""
    expect(page.get_by_label("Engine", exact=True)).to_contain_text(engine)


def check_accessibility(page: Page) -> None:
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
