"""Playback of the gateway's audio in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page
from support.browser import chromium
from support.gateway_process import Gateway

pytestmark = pytest.mark.browser

# Fetch a streamed response as a page would, and play it to its end in an <audio> element.
PLAY = """async ({body}) => {
    const response = await fetch('/tts', {
        method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)});
    const blob = await response.blob();
    const audio = new Audio(URL.createObjectURL(blob));
    audio.playbackRate = 8;
    const ended = new Promise((resolve, reject) => {
        audio.onended = () => resolve(audio.currentTime);
        audio.onerror = () => reject(new Error(audio.error.code + ' ' + audio.error.message));
    });
    await audio.play();
    return {status: response.status, type: response.headers.get('content-type'), played_s: await ended};
}"""


@pytest.fixture(scope="module")
def page(gateway: Gateway) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{gateway.url}/docs")
        yield page


@pytest.mark.parametrize("fmt", ["wav", "mp3", "flac", "opus", "aac", "m4a", "webm", "mulaw_wav", "alaw_wav"])
@pytest.mark.parametrize("stream", [True, False])
def test_every_format_plays_to_its_end(page: Page, fmt: str, stream: bool) -> None:
    body = {"text": "x" * 80, "engine": "tone", "stream": stream, "format": fmt}
    played = page.evaluate(PLAY, {"body": body})
    assert played["status"] == 200
    assert played["played_s"] == pytest.approx(4.0, abs=0.2)


def test_api_documentation_loads_without_the_internet(page: Page) -> None:
    page.reload()
    page.get_by_text("/v1/voices", exact=True).first.wait_for(timeout=15_000)
    assert page.get_by_text("Speak a text").first.is_visible()
