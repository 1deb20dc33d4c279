"""The page at /ui in a real Chromium, against a live gateway."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from support.gateway_process import TONE_AND_LITE, Gateway, read_audio, start_gateway, wait_ready
from support.prefix_proxy import prefix_proxy
from support.ui_page import Open, check_accessibility, figure, position_s, ready, status, wait_state

from gateway.service.auth import key_hash

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
KEY = "vox_" + "k" * 43
STRINGS = {path.stem: json.loads(path.read_text()) for path in (ROOT / "gateway/webui/static/strings").glob("*.json")}
LAZY = {"backend": "tone", "load": "lazy", "model": {"load_s": 2, "sample_rate_hz": 16000}}
ENGINES = {**TONE_AND_LITE["engines"], "late": LAZY}  # type: ignore[dict-item]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start_gateway(tmp_path_factory.mktemp("ui"), {**TONE_AND_LITE, "engines": ENGINES})
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def test_text_is_spoken_to_its_end_with_figures(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/")
    assert page.url == f"{server.url}/ui/"
    page.get_by_label("Text").fill("Hello from the page.")
    page.keyboard.press("Control+Enter")
    wait_state(page, "done")
    assert 1 < position_s(page) < 4
    assert figure(page, "first_audio").endswith("s")
    assert float(figure(page, "rtf")) > 0
    assert figure(page, "duration") == f"{float(figure(page, 'duration')[:-2]):.2f} s"
    assert figure(page, "seed").isdecimal()


def test_sound_starts_before_the_answer_is_complete_and_stop_frees_the_engine(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#speak?engine=tone&options.step_s=0.08&text={'x' * 400}")  # 200 steps
    ready(page)
    page.get_by_role("button", name="Speak").click()
    wait_state(page, "receiving")
    expect(page.locator(".position")).not_to_contain_text("0:00.0 /")
    heard_s = position_s(page)
    assert status(page).get_attribute("data-state") == "receiving"
    assert 0 < heard_s < 15
    assert server.client.get("/v1/engines/tone").json()["queue"]["active"] == 1
    page.keyboard.press("Escape")
    wait_state(page, "stopped")
    deadline = time.monotonic() + 10
    while server.client.get("/v1/engines/tone").json()["queue"]["active"]:
        assert time.monotonic() < deadline, "the job went on"
        time.sleep(0.05)
    frozen_s = position_s(page)
    time.sleep(0.3)
    assert position_s(page) == frozen_s


def test_same_seed_again_and_download_give_the_same_audio(server: Gateway, open_page: Open, tmp_path: Path) -> None:
    page = open_page(f"{server.url}/ui/#speak?engine=tone&text=hello&voice=high")
    ready(page)
    page.get_by_role("button", name="Speak").click()
    wait_state(page, "done")
    seed = figure(page, "seed")
    page.get_by_role("button", name="Again", exact=True).click()
    wait_state(page, "done")
    assert figure(page, "seed") == seed
    assert page.get_by_label("Seed").input_value() == seed
    body = {"text": "hello", "engine": "tone", "voice": "high", "seed": int(seed)}
    expected, rate = read_audio(server.client.post("/tts", json=body).content)
    for fmt in ("wav", "flac"):
        page.get_by_label("Download format").select_option(fmt)
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {fmt}").click()
        assert download.value.suggested_filename == f"speech.{fmt}"
        samples, its_rate = read_audio(Path(download.value.path()).read_bytes())
        assert its_rate == rate
        assert (samples == expected).all()
    page.get_by_role("button", name="New seed").click()
    wait_state(page, "done")
    assert figure(page, "seed") != seed


def test_shown_calls_give_the_audio_that_was_played(server: Gateway, open_page: Open, tmp_path: Path) -> None:
    page = open_page(f"{server.url}/ui/#speak?engine=tone&text=It's&options.noise=0.5&speed=1.5")
    ready(page)
    page.get_by_role("button", name="Speak").click()
    wait_state(page, "done")
    body = {
        "text": "It's",
        "engine": "tone",
        "speed": 1.5,
        "options": {"noise": 0.5},
        "seed": int(figure(page, "seed")),
    }
    expected = server.client.post("/tts", json=body).content
    for button, samples in results_of_calls(page, tmp_path):
        assert (samples == read_audio(expected)[0]).all(), button
    page.get_by_role("button", name="JavaScript").click()
    size = page.evaluate(f"(async () => {{ {page.locator('pre').inner_text()}; return audio.size; }})()")
    assert size == len(expected)


def results_of_calls(page: Page, folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Run the programs that the page shows; yield their names and the samples that they get."""
    page.get_by_text("Call this from a program").click()
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "VOXGATE_API_KEY": KEY}
    for button, command in (
        ("curl", ["bash", "-ec"]),
        ("Python (httpx)", [sys.executable, "-c"]),
        ("Python (openai)", [sys.executable, "-c"]),
    ):
        page.get_by_role("button", name=button).click()
        code = page.locator("pre").inner_text()
        subprocess.run([*command, code], cwd=folder, check=True, capture_output=True, env=environment)
        yield button, read_audio((folder / "speech.wav").read_bytes())[0]
        (folder / "speech.wav").unlink()


def test_error_is_shown_at_the_field_in_the_words_of_the_api(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#speak?engine=tone&text=x&options.noise=3", logs="status of 422")
    ready(page)
    page.get_by_role("button", name="Speak").click()
    wait_state(page, "failed")
    field = page.get_by_label("noise")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    body = {"text": "x", "engine": "tone", "options": {"noise": 3}}
    expect(field).to_have_accessible_description(
        f"amplitude of the seeded noise {server.client.post('/tts', json=body).json()['error']['message']}"
    )
    field.fill("0.3")
    page.get_by_label("Text").fill(" ")
    page.get_by_role("button", name="Speak").click()
    expect(page.get_by_label("Text")).to_have_attribute("aria-invalid", "true")


def test_error_without_a_field_is_announced(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#speak?engine=tone&text=xxxxxxxx&options.fail_at=0", logs="status of 500")
    ready(page)
    page.get_by_role("button", name="Speak").click()
    expect(page.get_by_role("alert").first).to_contain_text("fail_at")


def test_stream_that_fails_midway_is_reported(server: Gateway, open_page: Open) -> None:
    link = f"#speak?engine=tone&text={'x' * 40}&options.fail_at=8&options.step_s=0.1"
    page = open_page(f"{server.url}/ui/{link}")
    ready(page)
    page.get_by_role("button", name="Speak").click()
    wait_state(page, "failed")
    expect(page.get_by_role("alert").first).to_contain_text("requested by the option fail_at")


def test_spoken_form_is_shown_while_typing(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/")
    page.get_by_label("Text").fill("It costs $5.")
    expect(page.get_by_text("It costs five dollars.")).to_be_visible()
    page.get_by_label("Text").fill("It is free.")
    expect(page.get_by_text("It costs five dollars.")).to_be_hidden()
    expect(page.get_by_text("11 characters")).to_be_visible()


def test_unloaded_engine_shows_its_progress_and_then_its_options(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#speak?text=hello")
    ready(page, "late (not loaded)")
    page.get_by_label("Engine", exact=True).select_option("late")
    expect(page.get_by_text("options are known once it has been loaded")).to_be_visible()
    page.get_by_role("button", name="Speak").click()
    expect(status(page)).to_contain_text("Loading late: warming up")
    expect(page.get_by_role("progressbar")).to_be_visible()
    wait_state(page, "done")
    expect(page.get_by_label("noise")).to_be_visible()
    expect(page.get_by_text("as of the last load")).to_have_count(0)
    assert server.client.post("/v1/engines/late/unload").status_code == 200
    page.reload()
    expect(page.get_by_label("noise")).to_be_visible()
    expect(page.get_by_text("as of the last load")).to_have_count(2)


def test_link_restores_all_settings(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/")
    ready(page)
    page.get_by_label("Engine", exact=True).select_option("tone")
    page.get_by_label("Text").fill("a & b")
    page.get_by_label("Voice", exact=True).select_option("high")
    page.get_by_label("Speed").fill("1.25")
    page.get_by_label("noise").fill("0.5")
    page.get_by_label("Speak numbers").uncheck()
    expect(page).to_have_url(re.compile("normalize=false"))
    again = open_page(page.url)
    ready(again)
    assert again.get_by_label("Text").input_value() == "a & b"
    for label, value in (("Voice", "high"), ("Speed", "1.25"), ("noise", "0.5")):
        expect(again.get_by_label(label, exact=True)).to_have_value(value)
    expect(again.get_by_label("Speak numbers")).not_to_be_checked()


@pytest.mark.parametrize(("locale", "language"), [("en-GB", "en"), ("zh-CN", "zh-Hans"), ("zh-TW", "zh-Hant")])
def test_language_follows_the_browser_and_can_be_switched(
    server: Gateway, open_page: Open, locale: str, language: str
) -> None:
    page = open_page(f"{server.url}/ui/", locale=locale)
    expect(page.get_by_role("button", name=STRINGS[language]["speak"], exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == language
    other = "zh-Hans" if language == "en" else "en"
    page.locator("header select").select_option(other)
    expect(page.get_by_role("button", name=STRINGS[other]["speak"], exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name=STRINGS[other]["speak"], exact=True)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_page_is_accessible_and_fits_the_width(server: Gateway, open_page: Open, scheme: str, width: int) -> None:
    page = open_page(
        f"{server.url}/ui/#speak?engine=tone&options.noise=3&text=It+costs+$5.+{'x' * 60}",
        logs="status of 422",
        color_scheme=scheme,
        reduced_motion="reduce",
        viewport={"width": width, "height": 800},
    )
    ready(page)
    page.get_by_role("button", name="Speak").click()
    wait_state(page, "failed")
    check_accessibility(page)
    page.get_by_label("noise").fill("")
    page.get_by_role("button", name="Speak").click()
    wait_state(page, "playing")
    page.get_by_text("Call this from a program").click()
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_page_is_small_and_paints_soon(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/")
    ready(page)
    transferred, paint_ms = page.evaluate("""() => [
        [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
            .filter(entry => new URL(entry.name).pathname.includes('/ui/'))
            .reduce((sum, entry) => sum + entry.transferSize, 0),
        performance.getEntriesByName('first-contentful-paint')[0].startTime]""")
    print(f"{transferred} bytes, first contentful paint after {paint_ms:.0f} ms")
    assert 10_000 < transferred < 400_000
    assert paint_ms < 3000  # under 1 s on an idle machine


def test_page_works_below_a_prefix_with_keys(tmp_path: Path, open_page: Open) -> None:
    access = {"keys": {"ann": {"sha256": key_hash(KEY)}}}
    tone = {"default_engine": "tone", "engines": {"tone": ENGINES["tone"]}}
    gateway = start_gateway(tmp_path, {"port": 0, "root_path": "/speech", "access": access, **tone})
    try:
        wait_ready(gateway)
        page = open_page(f"{gateway.url}/speech", logs="status of 401")
        assert page.url == f"{gateway.url}/speech/ui/"
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Key").fill("wrong")
        dialog.get_by_role("button", name="Use").click()
        expect(dialog).to_contain_text("refused")
        dialog.get_by_label("Key").fill(KEY)
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        ready(page, "tone")
        page.get_by_label("Text").fill("hello")
        page.keyboard.press("Control+Enter")
        wait_state(page, "done")
        assert [len(samples) for _, samples in results_of_calls(page, tmp_path)] == [6000, 6000, 6000]
        page.get_by_role("button", name="curl").click()
        assert f"{gateway.url}/speech/tts" in page.locator("pre").inner_text()
        assert KEY not in page.content() + page.url
        page.reload()  # the key is kept in the tab
        ready(page, "tone")
        expect(dialog).to_be_hidden()
        page.close()
    finally:
        assert gateway.stop() == 0


def test_page_works_behind_a_proxy_that_removes_a_prefix(server: Gateway, open_page: Open) -> None:
    with prefix_proxy(server.url, "/deep/path") as url:
        page = open_page(f"{url}/")
        assert page.url == f"{url}/ui/"
        ready(page)
        page.get_by_label("Text").fill("hello")
        page.get_by_role("button", name="Speak").click()
        wait_state(page, "done")
        assert f"{url}/tts" in curl_of(page)
        page.close()


def curl_of(page: Page) -> str:
    page.get_by_text("Call this from a program").click()
    return page.locator("pre").inner_text()


def test_audio_plays_without_an_audio_worklet(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#speak?engine=tone&text=hello")
    page.evaluate("delete BaseAudioContext.prototype.audioWorklet")
    ready(page)
    page.get_by_role("button", name="Speak").click()
    wait_state(page, "done")
    assert position_s(page) == pytest.approx(0.2, abs=0.1)


def test_screenshot_for_the_documentation(server: Gateway, open_page: Open, pictures: Path) -> None:
    page = open_page(f"{server.url}/ui/", viewport={"width": 1100, "height": 720})
    ready(page)
    page.get_by_label("Text").fill("Dinner on 3 May costs $25.50. Every word is heard while the rest is synthesized.")
    expect(page.get_by_text("Spoken form")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".position")).to_contain_text("0:02.")
    page.screenshot(path=pictures / "ui-speak.png")
