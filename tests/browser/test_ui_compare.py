"""The view Compare: settings heard in turn and as a blind test, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect
from support.gateway_process import TONE, TONE_AND_LITE, Gateway, start_gateway, wait_ready
from support.ui_page import Open, check_accessibility, wait_state

pytestmark = pytest.mark.browser

LONG = "x" * 200  # 10 s, which do not end while a test listens

# Record how takes are played: offset and duration of each source, and the level of each fade.
RECORD = """() => {
    window.starts = []; window.levels = [];
    const start = AudioBufferSourceNode.prototype.start;
    AudioBufferSourceNode.prototype.start = function (when, offset) {
        starts.push([offset, this.buffer.duration]); return start.call(this, when, offset); };
    const ramp = AudioParam.prototype.linearRampToValueAtTime;
    AudioParam.prototype.linearRampToValueAtTime = function (value, at) {
        if (value) levels.push(value); return ramp.call(this, value, at); };
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start_gateway(tmp_path_factory.mktemp("compare"), TONE)
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def opened(open_page: Open, server: Gateway, settings: dict[str, str], **options: Any) -> Page:
    page = open_page(f"{server.url}/ui/#compare?{urlencode(settings)}", **options)
    expect(setting(page, 2).get_by_label("Engine", exact=True)).to_contain_text("tone")
    return page


def setting(page: Page, number: int) -> Locator:
    return page.get_by_role("region", name=f"Setting {number}", exact=True)


def take(page: Page, number: int) -> Locator:
    return page.get_by_role("group", name=f"Audio {number}", exact=True)


def make(page: Page) -> None:
    page.get_by_role("button", name="Make the audio").click()
    expect(page.get_by_role("status").first).to_have_text(re.compile(r"^(\d) of \1 made$"))


def listen(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Listen to {name}", exact=True).click()
    expect(page.get_by_role("button", name=f"Listen to {name}", exact=True)).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("parallel", ["false", "true"])
def test_two_settings_are_made_with_their_figures(server: Gateway, open_page: Open, parallel: str) -> None:
    page = opened(open_page, server, {"text": "hello", "1.voice": "high", "2.speed": "2", "parallel": parallel})
    make(page)
    expect(take(page, 1)).to_contain_text("tone · high")
    expect(take(page, 2)).to_contain_text("tone · low · speed 2")
    for number, duration in ((1, "0.25 s"), (2, "0.13 s")):
        expect(take(page, number).locator("[data-figure=duration]")).to_have_text(duration)
        assert float(take(page, number).locator("[data-figure=rtf]").inner_text()) > 0
        assert take(page, number).locator("[data-figure=first_audio]").inner_text().endswith("s")


def test_switching_keeps_the_position_and_loudness_is_equal(server: Gateway, open_page: Open) -> None:
    settings = {"text": LONG, "1.speed": "1", "1.options.noise": "1", "2.speed": "2", "2.options.noise": "0"}
    page = opened(open_page, server, settings)
    page.evaluate(RECORD)
    make(page)
    slider = page.get_by_label("Position")
    listen(page, "1")
    slider.fill("50")
    page.get_by_role("heading", name="Setting 1").click()  # digits in a field are text
    page.keyboard.press("2")
    expect(page.get_by_role("button", name="Listen to 2")).to_have_attribute("aria-pressed", "true")
    (_, whole), (at_first, _), (at_second, half) = page.evaluate("starts")
    assert (whole, half) == (pytest.approx(10, abs=0.01), pytest.approx(5, abs=0.01))
    assert at_first == pytest.approx(5)
    assert 2.5 <= at_second < 5
    first, _, second = page.evaluate("levels")
    assert second == 1
    assert 0.7 < first < 0.95  # the noise of the first makes it louder
    slider.fill("98")
    expect(page.get_by_role("button", name="Listen to 2")).to_have_attribute("aria-pressed", "false")  # the end
    page.get_by_label("Play at equal loudness").uncheck()
    listen(page, "1")
    assert page.evaluate("[starts.at(-1)[0], levels.at(-1)]") == [0, 1]
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Listen to 1")).to_have_attribute("aria-pressed", "false")


def test_blind_trial_hides_the_settings_until_a_choice_and_counts_it(server: Gateway, open_page: Open) -> None:
    page = opened(open_page, server, {"text": LONG, "1.voice": "high", "2.voice": "low", "blind": "true"})
    expect(page.get_by_text("Make the audio first")).to_be_visible()
    make(page)
    better = page.get_by_role("button", name="A is better")
    work = page.get_by_role("region", name="Compare")
    wins = {"high": 0, "low": 0}
    for trial in range(3):
        expect(better).to_be_disabled()
        listen(page, "A")
        expect(better).to_be_disabled()
        page.get_by_role("button", name="Listen to B").click()
        expect(better).to_be_enabled()
        expect(work.locator(".reveal")).to_have_text("Which is better?")
        expect(work.locator("[data-figure]")).to_have_count(0)
        if trial == 2:
            page.get_by_role("button", name="No difference").click()
        else:
            better.click()
            revealed = re.search(r"A was setting (\d): tone · (\w+)", work.locator(".reveal").inner_text())
            assert revealed
            assert revealed[2] == {"1": "high", "2": "low"}[revealed[1]]
            wins[revealed[2]] += 1
        expect(better).to_be_disabled()
        page.get_by_role("button", name="Next trial").click()
    assert tally(page) == {**counts(wins), "none": "1"}
    assert page.locator("[data-count=p]").inner_text() == ("0.50" if 2 in wins.values() else "1.0")
    page.reload()
    expect(setting(page, 2).get_by_label("Engine", exact=True)).to_contain_text("tone")
    make(page)
    assert tally(page) == {**counts(wins), "none": "1"}
    page.get_by_role("button", name="Reset the tally").click()
    expect(page.locator(".tally")).to_have_count(0)


def counts(wins: dict[str, int]) -> dict[str, str]:
    return {"first": str(wins["high"]), "second": str(wins["low"])}


def tally(page: Page) -> dict[str, str]:
    return {name: page.locator(f"[data-count={name}]").inner_text() for name in ("first", "second", "none")}


def test_errors_are_shown_at_the_fields_of_their_setting(server: Gateway, open_page: Open) -> None:
    settings = {
        "text": "hello",
        "1.options.noise": "3",
        "2.options.fail_at": "0",
        "3.options.other": "1",
        "settings": "3",
    }
    page = opened(open_page, server, settings, logs="status of (422|500)")
    page.get_by_role("button", name="Make the audio").click()
    expect(setting(page, 1).get_by_label("noise")).to_have_attribute("aria-invalid", "true")
    expect(setting(page, 2).get_by_label("noise")).not_to_have_attribute("aria-invalid", "true")
    announced = page.get_by_role("alert").locator("p")
    expect(announced).to_have_text([re.compile("^2: .*fail_at"), re.compile("^3: .*other")])
    page.get_by_label("Text").fill(" ")
    page.get_by_role("button", name="Make the audio").click()
    expect(page.get_by_label("Text")).to_have_attribute("aria-invalid", "true")


def test_stop_cancels_the_current_and_the_waiting_takes(server: Gateway, open_page: Open) -> None:
    page = opened(open_page, server, {"text": "x" * 400, "1.options.step_s": "1"})
    page.get_by_role("button", name="Make the audio").click()
    expect(take(page, 1)).to_contain_text("being made")
    page.keyboard.press("Escape")
    wait_state(page, "done")
    for number in (1, 2):
        expect(take(page, number)).to_contain_text("stopped")


def test_link_restores_settings_that_were_added_and_removed(server: Gateway, open_page: Open) -> None:
    page = opened(open_page, server, {"1.voice": "low", "2.voice": "high"})
    page.get_by_role("button", name="Add a setting").click()
    setting(page, 3).get_by_label("Speed").fill("1.5")
    setting(page, 1).get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Add a setting").click()
    page.get_by_label("Text").fill("hello")
    expect(page).to_have_url(re.compile("text=hello.*settings=3|settings=3.*text=hello"))
    again = open_page(page.url)
    ready_in_all(again, 3)
    assert [setting(again, n).get_by_label("Speed").input_value() for n in (1, 2, 3)] == ["1", "1.5", "1.5"]
    assert setting(again, 1).get_by_label("Voice", exact=True).input_value() == "high"
    make(again)
    expect(take(again, 3)).to_contain_text("tone · high · speed 1.5")


def ready_in_all(page: Page, count: int) -> None:
    for number in range(1, count + 1):
        expect(setting(page, number).get_by_label("Engine", exact=True)).to_contain_text("tone")


def test_view_is_accessible_and_fits_a_phone(server: Gateway, open_page: Open) -> None:
    settings = {"text": LONG, "settings": "3", "1.voice": "high"}
    page = opened(open_page, server, settings, color_scheme="dark", viewport={"width": 360, "height": 800})
    make(page)
    listen(page, "1")
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_label("Blind test").check()
    for name in "AB":
        listen(page, name)
    page.get_by_role("button", name="B is better").click()
    expect(page.locator(".tally")).to_be_visible()
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_screenshot_for_the_documentation(tmp_path: Path, open_page: Open, pictures: Path) -> None:
    gateway = start_gateway(tmp_path, TONE_AND_LITE)
    wait_ready(gateway)
    settings = {"text": "Listen to both. Which one do you like better?", "1.speed": "0.9", "2.options.pause_s": "0.3"}
    page = open_page(f"{gateway.url}/ui/#compare?{urlencode(settings)}", viewport={"width": 1100, "height": 800})
    ready_in_all(page, 2)
    make(page)
    page.screenshot(path=pictures / "ui-compare.png")
    page.close()
    assert gateway.stop() == 0
