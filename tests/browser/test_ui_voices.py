"""The page's Voices view, and voices in its Speak view."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Locator, Page, expect
from support.browser import HEARD
from support.gateway_process import TONE, Gateway, read_audio, start_gateway, wait_ready
from support.ui_page import Open, check_accessibility, figure, ready, wait_state

from gateway.audio.voice_check import check_voice

pytestmark = pytest.mark.browser

RATE_HZ = 24_000
WORDS = "what the recording says"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start_gateway(tmp_path_factory.mktemp("ui_voices"), TONE)
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


@pytest.fixture(autouse=True)
def _no_stored_voices(server: Gateway) -> Iterator[None]:
    yield
    for voice in stored(server):
        server.client.delete(f"/v1/voices/{voice['id']}")


def stored(server: Gateway) -> list[dict[str, Any]]:
    return [voice for voice in server.client.get("/v1/voices").json()["voices"] if voice["kind"] == "stored"]


def store(server: Gateway, name: str, transcript: str = WORDS, **fields: str) -> dict[str, Any]:
    data = {"name": name, "transcript": transcript, **fields}
    response = server.client.post("/v1/voices", data=data, files={"audio": HEARD.read_bytes()})
    assert response.status_code == 201, response.text
    return response.json()  # type: ignore[no-any-return]


def clip_of(server: Gateway, name: str) -> bytes:
    return server.client.get(f"/v1/voices/{name}/audio").content


def wav(samples: np.ndarray, name: str = "clip.wav") -> Any:
    """A file to upload."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE_HZ, format="WAV", subtype="PCM_16")
    return {"name": name, "mimeType": "audio/wav", "buffer": buffer.getvalue()}


def item(page: Page, name: str) -> Locator:
    return page.locator("[data-voice]").filter(has=page.get_by_role("heading", name=name, exact=True))


def choose(page: Page, file: Any) -> None:
    page.get_by_label("Recording of the voice").set_input_files(file)


def good_clip(page: Page) -> Locator:
    return page.get_by_text("no problem found")


def test_uploaded_voice_is_listed_and_speaks(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#voices")
    choose(page, HEARD)
    expect(good_clip(page)).to_contain_text("3.4 s")
    page.get_by_label("Transcript").fill(WORDS)
    page.get_by_label("Name of the voice").fill("Ann")
    page.locator("input[name=language]").fill("en")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Ann is stored.")
    expect(item(page, "Ann")).to_contain_text("stored · en · 3.4 s")
    expect(item(page, "Ann")).to_contain_text(WORDS)
    expect(page.get_by_label("Name of the voice")).to_have_value("")
    (voice,) = stored(server)
    assert (clip_of(server, "Ann"), voice["transcript"]) == (HEARD.read_bytes(), WORDS)
    item(page, "Ann").get_by_role("link", name="Speak with it").click()
    ready(page, "tone")
    expect(page.get_by_label("Voice", exact=True)).to_have_value(voice["id"])
    page.get_by_label("Text").fill("Hello.")
    with page.expect_request("**/tts") as request:
        page.keyboard.press("Control+Enter")
    assert request.value.post_data_json["voice"] == voice["id"]
    wait_state(page, "done")


def test_recording_is_checked_and_stored(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#voices")
    page.get_by_role("button", name="● Record").click()
    meter = page.get_by_label("Level")
    expect(meter).not_to_have_attribute("data-level", "0.00")
    expect(page.locator(".time")).to_contain_text("0:02.")
    page.get_by_role("button", name="Stop recording").click()
    expect(good_clip(page)).to_be_visible()
    expect(page.get_by_label("Listen to recording.wav")).to_have_js_property("error", None)
    assert page.get_by_label("Listen to recording.wav").evaluate("audio => audio.play()") is None
    page.get_by_label("Name of the voice").fill("Me")
    page.get_by_role("button", name="Store as a voice").click()
    expect(item(page, "Me")).to_be_visible()
    samples, rate_hz = read_audio(clip_of(server, "Me"))
    assert rate_hz == 48_000
    assert 2 <= len(samples) / rate_hz < 10
    assert np.abs(samples).max() == pytest.approx(np.abs(read_audio(HEARD.read_bytes())[0]).max(), abs=0.1)
    check_voice(samples, rate_hz, "audio")


def test_cancelled_recording_leaves_nothing(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#voices")
    page.get_by_role("button", name="● Record").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="● Record")).to_be_visible()
    expect(page.locator("audio")).to_have_count(0)


def test_quality_of_a_clip_is_shown_before_it_is_sent(server: Gateway, open_page: Open) -> None:
    voice, _ = read_audio(HEARD.read_bytes())
    hiss = np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
    page = open_page(f"{server.url}/ui/#voices")
    for samples, finding in (
        (np.clip(4 * voice, -1, 1), "clipped"),
        (0.0001 * voice, "silent"),
        (voice[: RATE_HZ // 2], "too_short"),
        (np.tile(voice, 11), "too_long"),
        (voice + 0.05 * hiss, "noisy"),
        (0.1 * hiss, "steady"),
    ):
        choose(page, wav(samples))
        expect(page.locator("[data-finding]")).to_have_attribute("data-finding", finding)
    choose(page, {"name": "text.wav", "mimeType": "audio/wav", "buffer": b"no audio"})
    expect(page.get_by_text("This browser cannot read the file")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("This browser cannot read the file")).to_be_hidden()
    expect(page.get_by_label("Recording of the voice")).to_have_value("")


def test_error_of_the_api_is_shown_at_its_field(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#voices", logs="status of 4")
    silence = wav(np.zeros(2 * RATE_HZ, np.float32))
    choose(page, silence)
    expect(page.locator("[data-finding=silent]")).to_be_visible()
    page.get_by_label("Name of the voice").fill("Ann")
    page.get_by_role("button", name="Store as a voice").click()
    refusal = server.client.post("/v1/voices", data={"name": "Ann"}, files={"audio": silence["buffer"]})
    field = page.get_by_label("Recording of the voice")
    expect(field).to_have_accessible_description(re.compile(re.escape(refusal.json()["error"]["message"])))
    expect(field).to_be_focused()
    choose(page, HEARD)
    page.get_by_label("Name of the voice").fill("HIGH")
    page.get_by_role("button", name="Store as a voice").click()
    name = page.get_by_label("Name of the voice")
    expect(name).to_have_accessible_description(re.compile("name taken: engine 'tone' has a built-in voice 'high'"))
    expect(field).not_to_have_attribute("aria-invalid", "true")
    assert stored(server) == []


def test_voice_is_renamed_with_the_keyboard(server: Gateway, open_page: Open) -> None:
    voice = store(server, "Ann")
    page = open_page(f"{server.url}/ui/#voices", logs="status of 409")
    item(page, "Ann").get_by_role("button", name="Rename").press("Enter")
    field = page.get_by_label("New name")
    expect(field).to_be_focused()
    field.fill("low")
    field.press("Enter")
    expect(field).to_have_accessible_description(re.compile("name taken"))
    field.fill("小明")
    field.press("Enter")
    expect(item(page, "小明")).to_be_visible()
    expect(field).to_be_hidden()
    assert [(one["id"], one["name"]) for one in stored(server)] == [(voice["id"], "小明")]


def test_voice_is_deleted_after_a_question(server: Gateway, open_page: Open) -> None:
    store(server, "Ann")
    page = open_page(f"{server.url}/ui/#voices")
    delete = item(page, "Ann").get_by_role("button", name="Delete")
    delete.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete the voice Ann")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(delete).to_be_focused()
    assert len(stored(server)) == 1
    delete.click()
    dialog.get_by_role("button", name="Delete").click()
    expect(item(page, "Ann")).to_be_hidden()
    expect(page.get_by_role("heading", name="Voices")).to_be_focused()
    assert stored(server) == []


def test_exported_voices_are_imported_byte_for_byte(server: Gateway, open_page: Open) -> None:
    before = {name: (store(server, name, name, language="en"), clip_of(server, name)) for name in ("Ann", "Bo (2)")}
    page = open_page(f"{server.url}/ui/#voices", logs="status of 4")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all").click()
    assert download.value.suggested_filename == "voices.json"
    exported = Path(download.value.path()).read_bytes()
    with page.expect_download() as download:
        item(page, "Ann").get_by_role("button", name="Export").click()
    (one,) = json.loads(Path(download.value.path()).read_bytes())["voices"]
    assert one == json.loads(exported)["voices"][0]
    for voice in stored(server):
        server.client.delete(f"/v1/voices/{voice['id']}")
    picker = page.get_by_label("Import")
    picker.set_input_files({"name": "voices.json", "mimeType": "application/json", "buffer": exported})
    expect(page.locator(".imported")).to_contain_text("Bo (2): stored")
    expect(item(page, "Ann")).to_be_visible()
    kept = ("id", "name", "transcript", "language", "duration_s")
    for voice in stored(server):
        old, clip = before[voice["name"]]
        assert ([voice[key] for key in kept], clip_of(server, voice["id"])) == ([old[key] for key in kept], clip)
    # An entry is a body of POST /v1/voices, and a refusal names its voice.
    assert server.client.post("/v1/voices", json=one).status_code == 200
    other = {**json.loads(exported), "voices": [one, {**one, "name": "Cy"}]}
    picker.set_input_files({"name": "v.json", "mimeType": "application/json", "buffer": json.dumps(other).encode()})
    expect(page.locator(".imported li")).to_have_text(
        [re.compile("Ann: was stored already"), re.compile("Cy: .*'Ann'")]
    )
    picker.set_input_files({"name": "v.json", "mimeType": "application/json", "buffer": b"{}"})
    expect(page.get_by_text("The file has no exported voices")).to_be_visible()


def test_voices_play_one_at_a_time_and_a_link_filters_them(server: Gateway, open_page: Open) -> None:
    voice = store(server, "Ann", language="de")
    page = open_page(f"{server.url}/ui/#voices")
    page.get_by_role("button", name="API key").click()
    page.get_by_label("Key", exact=True).fill("secret")
    page.keyboard.press("Enter")
    with page.expect_request(f"**/v1/voices/{voice['id']}/audio") as request:
        page.get_by_role("button", name="▶ Listen Ann").click()
    assert request.value.headers["authorization"] == "Bearer secret"
    expect(page.locator("[data-audition=playing]")).to_have_accessible_name("■ Stop Ann")
    with page.expect_request("**/tts") as request:
        page.get_by_role("button", name="▶ Listen high").click()
    assert request.value.post_data_json == {"text": "This is how this voice sounds.", "engine": "tone", "voice": "high"}
    expect(page.locator("[data-audition=playing]")).to_have_accessible_name("■ Stop high")
    page.get_by_role("button", name="■ Stop high").click()
    expect(page.locator("[data-audition=playing]")).to_have_count(0)
    page.get_by_label("Find").fill("440")
    expect(page.locator("[data-voice]")).to_have_count(1)
    expect(page).to_have_url(re.compile("#voices[?]find=440$"))
    again = open_page(page.url)
    expect(item(again, "high")).to_be_visible()
    expect(again.locator("[data-voice]")).to_have_count(1)


def test_clip_speaks_one_request_and_is_stored(server: Gateway, open_page: Open, tmp_path: Path) -> None:
    page = open_page(f"{server.url}/ui/#speak?text=Hello.&voice=high&seed=7", logs="status of 422")
    ready(page, "tone")
    page.get_by_text("A clip as the voice of this request").click()
    choose(page, wav(np.zeros(2 * RATE_HZ, np.float32)))
    expect(page.locator("[data-finding=silent]")).to_be_visible()
    page.get_by_role("button", name="Speak").click()
    field = page.get_by_label("Recording of the voice")
    expect(field).to_have_accessible_description(re.compile("the recording is almost silent"))
    expect(field).to_be_focused()
    choose(page, HEARD)
    expect(good_clip(page)).to_be_visible()
    expect(page.get_by_label("Voice", exact=True)).to_be_disabled()
    page.get_by_label("Transcript").fill(WORDS)
    page.get_by_role("button", name="Speak").click()
    wait_state(page, "done")
    form = {"text": "Hello.", "seed": "7", "reference_text": WORDS}
    spoken = server.client.post("/tts", data=form, files={"reference_audio": HEARD.read_bytes()})
    samples, _ = read_audio(spoken.content)
    assert figure(page, "duration") == f"{len(samples) / RATE_HZ:.2f} s"
    page.get_by_text("Call this from a program").click()
    (tmp_path / HEARD.name).write_bytes(HEARD.read_bytes())
    for button, command in (("curl", ["bash", "-ec"]), ("Python (httpx)", [sys.executable, "-c"])):
        page.get_by_role("button", name=button).click()
        code = page.locator("pre").inner_text()
        subprocess.run([*command, code], cwd=tmp_path, check=True, capture_output=True)
        assert (read_audio((tmp_path / "speech.wav").read_bytes())[0] == samples).all(), button
    assert "reference" not in page.url
    page.get_by_label("Name of the voice").fill("Ann")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Voice", exact=True)).to_be_enabled()
    (voice,) = stored(server)
    expect(page.get_by_label("Voice", exact=True)).to_have_value(voice["id"])
    assert (clip_of(server, "Ann"), voice["transcript"]) == (HEARD.read_bytes(), WORDS)


def test_page_without_microphone_says_what_to_do(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#speak")
    ready(page, "tone")
    refuse = "name => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); }; }"
    page.get_by_role("link", name="Voices").click()
    for name, text in (
        ("NotAllowedError", "The microphone is not allowed"),
        ("NotFoundError", "No microphone was found"),
    ):
        page.evaluate(refuse, name)
        page.get_by_role("button", name="● Record").click()
        expect(page.get_by_role("alert").filter(has_text=text)).to_be_visible()
    page.get_by_role("link", name="Speak", exact=True).click()
    page.evaluate("delete Navigator.prototype.mediaDevices")  # as on a page over plain HTTP
    page.get_by_role("link", name="Voices").click()
    expect(page.get_by_text("Recording needs HTTPS or localhost")).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 360)])
def test_voices_are_accessible_and_fit_the_width(server: Gateway, open_page: Open, scheme: str, width: int) -> None:
    store(server, "A" * 64, "x" * 300)
    page = open_page(
        f"{server.url}/ui/#voices",
        color_scheme=scheme,
        reduced_motion="reduce",
        viewport={"width": width, "height": 800},
    )
    voice, _ = read_audio(HEARD.read_bytes())
    choose(page, wav(np.clip(4 * voice, -1, 1)))
    expect(page.locator("[data-finding=clipped]")).to_be_visible()
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("button", name="● Record").click()
    expect(page.get_by_label("Level")).to_be_visible()
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(f"{server.url}/ui/#speak")
    ready(page, "tone")
    page.get_by_text("A clip as the voice of this request").click()
    choose(page, HEARD)
    expect(good_clip(page)).to_be_visible()
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_voices_screenshot_for_the_documentation(server: Gateway, open_page: Open, pictures: Path) -> None:
    store(server, "Ann", "The harbor was quiet, and the boats came in one by one.", language="en")
    page = open_page(f"{server.url}/ui/#voices", viewport={"width": 1100, "height": 760})
    voice, _ = read_audio(HEARD.read_bytes())
    choose(page, wav(np.clip(4 * voice, -1, 1)))
    expect(page.locator("[data-finding=clipped]")).to_be_visible()
    page.get_by_label("Name of the voice").fill("Bo")
    page.screenshot(path=pictures / "ui-voices.png")
