"""Speech made visible on the page: the text, pictures, times and traces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.gateway_process import TONE_AND_LITE, Gateway, start_gateway, wait_ready
from support.ui_page import Open, check_accessibility, figure, ready, wait_state

pytestmark = pytest.mark.browser

TRACED = "#speak?engine=tone&text=hello+world&options.trace=true"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start_gateway(tmp_path_factory.mktemp("see"), TONE_AND_LITE)
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def speak(page: Page) -> None:
    ready(page)
    page.get_by_role("button", name="Speak").click()


def colors(page: Page, picture: str) -> list[int]:
    """The distinct colors of a picture, sorted."""
    canvas = page.locator(f"[data-picture={picture}]")
    expect(canvas).to_be_visible()
    found: list[int] = canvas.evaluate("""canvas => {
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
        copy.drawImage(canvas, 0, 0);
        const {data} = copy.getImageData(0, 0, canvas.width, canvas.height);
        return [...new Set(new Uint32Array(data.buffer))].sort((a, b) => a - b); }""")
    return found


def test_segment_that_is_heard_is_marked_in_the_text_as_it_was_typed(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/")
    page.get_by_label("Text", exact=True).fill("😀 It costs $5. Two more.")
    assert not page.evaluate("performance.getEntriesByType('resource').some(({name}) => name.includes('wavesurfer'))")
    page.keyboard.press("Control+Enter")
    expect(page.locator("mark")).to_have_text("It costs $5.")
    expect(page.locator("mark")).to_have_text("Two more.")
    wait_state(page, "done")
    assert len(colors(page, "spectrogram")) > 50
    assert page.locator("[data-picture]").count() == 1
    assert figure(page, "queue").endswith("s")
    expect(page.locator("[data-chart=phases] rect")).to_have_count(4)
    page.get_by_role("button", name="Play again").click()
    expect(page.locator("mark")).to_have_text("It costs $5.")


def test_traced_codes_are_a_heat_map(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/{TRACED}")
    speak(page)
    wait_state(page, "done")
    assert len(colors(page, "codes")) > 20


def test_steps_of_the_mel_are_chosen_with_the_keyboard_or_animated(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/{TRACED}")
    speak(page)
    wait_state(page, "done")
    slider = page.get_by_role("slider")
    expect(slider).to_have_accessible_name("Model evaluation 4")
    refined = colors(page, "mel")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_accessible_name("Model evaluation 1")
    assert len(colors(page, "mel")) > len(refined)  # noise
    page.get_by_role("button", name="Animate").click()
    expect(slider).to_have_accessible_name("Model evaluation 4")
    assert colors(page, "mel") == refined


def test_language_of_the_text_is_shown_below_it(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#speak?engine=tone")
    ready(page)
    page.get_by_label("Text", exact=True).fill("你好。")
    expect(page.get_by_text("Read in: Chinese")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1200)])
def test_pictures_are_accessible_fit_the_width_and_do_not_move(
    server: Gateway, open_page: Open, scheme: str, width: int
) -> None:
    page = open_page(
        f"{server.url}/ui/{TRACED}",
        color_scheme=scheme,
        reduced_motion="reduce",
        viewport={"width": width, "height": 800},
    )
    speak(page)
    wait_state(page, "done")
    expect(page.locator("[data-picture]")).to_have_count(3)
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_role("button", name="Animate")).to_be_hidden()


def test_screenshot_of_what_is_heard(server: Gateway, open_page: Open, pictures: Path) -> None:
    page = open_page(f"{server.url}/ui/", viewport={"width": 1100, "height": 720})
    ready(page)
    page.get_by_label("Text", exact=True).fill(
        "The sentence that is heard is marked. This is the second one of the text."
    )
    page.keyboard.press("Control+Enter")
    expect(page.locator("mark")).to_have_text("This is the second one of the text.")
    expect(page.locator("[data-picture=spectrogram]")).to_be_visible()
    page.locator(".result").screenshot(path=pictures / "ui-see.png")
