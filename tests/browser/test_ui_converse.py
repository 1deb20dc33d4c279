"""The view Converse: live sessions in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect
from support.gateway_process import TONE, TONE_AND_LITE, Gateway, start_gateway, wait_ready
from support.ui_page import Open, check_accessibility, figure, ready, wait_state

from gateway.service.auth import key_hash

pytestmark = pytest.mark.browser

KEY = 'a "key" of (printable) ASCII'
TEXT = "One sentence is here. Another one follows it, and this is the last of them."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start_gateway(tmp_path_factory.mktemp("converse"), TONE_AND_LITE)
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


class Frames:
    """JSON messages of the page's sockets.

    :ivar sockets: number of sockets that the page has opened.
    """

    def __init__(self, page: Page):
        self.sockets = 0
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        page.on("websocket", self._watch)

    def _watch(self, socket: Any) -> None:
        self.sockets += 1
        socket.on("framesent", lambda data: self.sent.append(json.loads(data)))
        socket.on("framereceived", lambda data: isinstance(data, str) and self.received.append(json.loads(data)))

    def text(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "text"]


def link(server: Gateway, **settings: str) -> str:
    return f"{server.url}/ui/#converse?{urlencode({'engine': 'tone', **settings})}"


def span(page: Page, state: str) -> str:
    return "".join(page.locator(f".transcript-text [data-span={state}]").all_text_contents())


def test_pasted_text_is_sent_in_pieces_and_spoken(server: Gateway, open_page: Open) -> None:
    page = open_page(link(server, mode="paste", text=TEXT, rate="60", speed="4", voice="high"))
    frames = Frames(page)
    ready(page)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".transcript-text [data-span=spoken]")).to_have_text(TEXT)
    wait_state(page, "open")
    assert figure(page, "converse\\.first_audio").endswith("s")
    assert len(frames.text()) > 2  # at most a second's worth at once
    assert frames.sent[0] == {"type": "start", "engine": "tone", "voice": "high", "speed": 4}
    assert "".join(frames.text()[:-1]) == TEXT
    assert frames.sent[-1] == {"type": "flush"}


def test_interruption_shows_the_spoken_text_and_drops_the_rest(server: Gateway, open_page: Open) -> None:
    text = f"{TEXT} {'And so on ' * 20}"  # over 10 s, which do not end before the interruption
    page = open_page(link(server, mode="paste", text=text, rate="1000"))
    frames = Frames(page)
    ready(page)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".transcript-text [data-span=spoken]")).to_have_text("One sentence is here. ")
    expect(page.locator(".transcript-text mark")).to_contain_text("Another one follows it")
    page.keyboard.press("Escape")
    wait_state(page, "open")
    interrupt = next(message for message in frames.sent if message["type"] == "interrupt")
    answer = next(message for message in frames.received if message["type"] == "interrupted")
    assert 1000 < interrupt["played_ms"] < 10_000
    assert text.startswith(answer["text"])
    assert len(answer["text"]) < len(text)
    assert span(page, "spoken") == answer["text"]
    assert span(page, "spoken") + span(page, "dropped") == text
    page.get_by_role("button", name="Type", exact=True).click()
    page.get_by_label("Your text").fill("Go on")
    page.keyboard.press("Enter")
    expect(page.locator(".transcript-text [data-span=spoken]").last).to_have_text("Go on")
    assert frames.sockets == 1


def test_text_is_sent_word_by_word_as_it_is_typed_and_the_next_session_is_a_new_one(
    server: Gateway, open_page: Open
) -> None:
    page = open_page(link(server, speed="4"))
    frames = Frames(page)
    ready(page)
    field = page.get_by_label("Your text")
    field.press_sequentially("Hello my frie")
    expect(page.locator(".transcript-text")).to_have_text("Hello my ")
    expect(field).to_have_value("frie")
    field.press_sequentially("nd")
    page.keyboard.press("Enter")
    expect(field).to_have_value("")
    expect(page.locator(".transcript-text [data-span=spoken]")).to_have_text("Hello my friend")
    page.get_by_role("button", name="End session").click()
    wait_state(page, "finished")
    assert frames.text() == ["Hello ", "my ", "friend", "\n"]
    assert figure(page, "converse\\.segments") == "1"
    assert figure(page, "duration") == "188 ms"
    field.press_sequentially("Again ")
    expect(page.locator(".transcript-text")).to_have_text("Again ")
    page.get_by_role("button", name="New session").click()
    wait_state(page, "idle")
    assert frames.sockets == 2


def test_refused_segment_is_shown_with_its_error(server: Gateway, open_page: Open) -> None:
    page = open_page(link(server, engine="lite", mode="paste", text="שלום", rate="1000"))
    frames = Frames(page)
    ready(page)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".transcript-text [data-span=refused]")).to_contain_text("שלום")
    refused = next(message for message in frames.received if message["type"] == "segment_refused")
    expect(page.locator("ul.error")).to_contain_text(refused["error"]["message"])
    wait_state(page, "open")


def test_invalid_setting_is_shown_at_its_field(server: Gateway, open_page: Open) -> None:
    page = open_page(link(server, **{"mode": "paste", "text": "hello", "options.noise": "3"}))
    ready(page)
    page.get_by_role("button", name="Send").click()
    wait_state(page, "failed")
    expect(page.get_by_label("noise")).to_have_attribute("aria-invalid", "true")


def test_invalid_setting_without_a_field_is_announced(server: Gateway, open_page: Open) -> None:
    page = open_page(link(server, **{"mode": "paste", "text": "hello", "options.other": "3"}))
    ready(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("other")


def test_failure_of_the_engine_is_announced_and_the_unspoken_text_is_dropped(server: Gateway, open_page: Open) -> None:
    page = open_page(link(server, **{"mode": "paste", "text": TEXT, "rate": "1000", "options.fail_at": "4"}))
    ready(page)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("fail_at")
    wait_state(page, "failed")
    expect(page.locator(".transcript-text mark")).to_have_count(0)
    assert TEXT.startswith(span(page, "spoken"))
    assert span(page, "dropped").endswith("last of them.\n")


def test_key_is_asked_for_when_the_socket_needs_one_below_a_prefix(tmp_path: Path, open_page: Open) -> None:
    config = {**TONE, "root_path": "/speech", "access": {"keys": {"ann": {"sha256": key_hash(KEY)}}}}
    gateway = start_gateway(tmp_path, config)
    try:
        wait_ready(gateway)
        page = open_page(f"{gateway.url}/speech/ui/#converse?speed=4", logs="401|Authentication failed")
        frames = Frames(page)
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Cancel").click()
        page.get_by_label("Your text").fill("hello")
        page.keyboard.press("Enter")
        dialog.get_by_label("Key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".transcript-text [data-span=spoken]")).to_have_text("hello")
        assert [message["type"] for message in frames.sent] == ["start", "text", "text", "flush"]
        assert frames.sockets == 2
    finally:
        assert gateway.stop() == 0
    wait_state(page, "shutdown")
    assert KEY not in gateway.log.read_text()
    page.close()


def test_view_is_accessible_and_fits_a_phone(server: Gateway, open_page: Open) -> None:
    text = f"This sentence is long, so that it is still being spoken when the page is checked. שלום. {'x' * 60}"
    address = link(server, engine="lite", mode="paste", text=text, rate="1000")
    page = open_page(address, viewport={"width": 360, "height": 800})
    ready(page)
    check_accessibility(page)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".transcript-text mark")).to_be_visible()
    check_accessibility(page)
    page.keyboard.press("Escape")
    expect(page.locator(".transcript-text del").first).to_be_visible()
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_screenshot_for_the_documentation(server: Gateway, open_page: Open, pictures: Path) -> None:
    text = (
        "Text that a language model writes is spoken sentence by sentence. The page marks what was spoken, what is "
        "being spoken and what waits. Esc interrupts, and shows how far the speech had come."
    )
    settings = {"engine": "lite", "mode": "paste", "text": text, "rate": "40"}
    page = open_page(link(server, **settings), viewport={"width": 1100, "height": 720})
    ready(page)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".transcript-text mark")).to_contain_text("The page marks")
    page.screenshot(path=pictures / "ui-converse.png")
