"""The view Stages, with a small Fish-Speech model of random weights."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect
from support.fish.model import write_model
from support.gateway_process import Gateway, read_audio, start_gateway, wait_ready
from support.ui_page import Open, check_accessibility

pytestmark = pytest.mark.browser

OPTIONS = "options.max_new_tokens=20&options.use_g2p=false"
LINK = f"#stages?text=Hello+there.&seed=7&{OPTIONS}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    model = write_model(tmp_path_factory.mktemp("model"))
    fish = {"backend": "fish", "load": "eager", "device": "cpu", "dtype": "float32", "threads": 1, "model": model}
    engines = {"tone": {"backend": "tone", "load": "eager"}, "fish": fish}
    config = {"port": 0, "default_engine": "tone", "engines": engines, "hub": {"offline": True}}
    running = start_gateway(tmp_path_factory.mktemp("stages"), config)
    wait_ready(running, timeout_s=120)
    yield running
    assert running.stop() == 0, running.log.read_text()


def stage(page: Page, name: str) -> Locator:
    return page.locator(f"[data-stage={name}]")


def run(page: Page, name: str, state: str = "done") -> Locator:
    section = stage(page, name)
    section.get_by_role("button", name="Run").click()
    expect(section).to_have_attribute("data-state", state)
    return section


def download(section: Locator) -> bytes:
    with section.page.expect_download() as started:
        section.get_by_role("link", name="Download").click()
    return Path(started.value.path()).read_bytes()


def npy(codes: np.ndarray) -> dict[str, Any]:
    file = io.BytesIO()
    np.save(file, codes)
    return {"name": "codes.npy", "mimeType": "application/octet-stream", "buffer": file.getvalue()}


def recording(clip: bytes) -> dict[str, Any]:
    return {"name": "voice.wav", "mimeType": "audio/wav", "buffer": clip}


def test_each_stage_takes_the_output_of_the_one_before(server: Gateway, open_page: Open, clip: bytes) -> None:
    page = open_page(f"{server.url}/ui/{LINK}&options.prompt_text=A+tone.")
    expect(page.get_by_label("Engine", exact=True)).to_have_text("fish (ready)")  # tone has no codec
    expect(stage(page, "generate").get_by_role("button", name="Run")).to_be_disabled()
    stage(page, "encode").get_by_label("Recording", exact=True).set_input_files(recording(clip))
    encoded = run(page, "encode")
    audio = base64.b64encode(clip).decode()
    answer = server.client.post(
        "/v1/vqgan/encode", json={"audios": [audio]}, headers={"accept": "application/json", "model": "fish"}
    )
    voice = np.load(io.BytesIO(download(encoded)))
    assert voice.dtype == np.int64  # as `voxgate fish encode` writes it
    assert voice.tolist() == answer.json()["tokens"][0]
    expect(encoded.locator("[data-figure=shape]")).to_have_text("4 × 43")
    expect(encoded.locator("[data-figure=duration]")).to_have_text("2.00 s")
    expect(encoded.get_by_role("img", name="4 codebooks, 43 frames")).to_be_visible()
    assert shades(encoded) > 20

    generated = run(page, "generate")
    options = {
        "max_new_tokens": 20,
        "use_g2p": False,
        "prompt_text": "A tone.",
        "prompt_tokens": base64.b64encode(npy(voice)["buffer"]).decode(),
    }
    body = {"text": "Hello there.", "engine": "fish", "seed": 7, "options": options}
    assert download(generated) == server.client.post("/v1/codes", json=body).content
    expect(generated.locator("[data-figure=shape]")).to_have_text("4 × 19")
    expect(generated.locator("[data-figure=seed]")).to_have_text("7")

    decoded = run(page, "decode")
    expect(decoded.locator("[data-figure=rate]")).to_have_text("22050 Hz")
    samples, rate = read_audio(download(decoded))
    assert rate == 22050
    spoken = read_audio(server.client.post("/tts", json=body).content)[0]
    np.testing.assert_allclose(samples, spoken, atol=2e-3)  # float16
    player = decoded.locator("audio")
    assert player.evaluate("audio => audio.duration") == pytest.approx(len(samples) / rate, abs=1e-3)
    player.evaluate("audio => { audio.playbackRate = 8; return audio.play(); }")
    expect(player).to_have_js_property("ended", True)


def shades(section: Locator) -> int:
    """The number of different opacities in the heat map."""
    script = """canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
        .filter((_, index) => index % 4 === 3)).size"""
    found: int = section.locator("canvas").evaluate(script)
    return found


def test_files_replace_the_stages_before(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/{LINK}&prompt=file&codes=file")
    codes = np.random.default_rng(0).integers(160, size=(4, 12))
    files = {"generate": np.asfortranarray(codes.astype(">i2")), "decode": codes.astype(np.uint8)}
    for name, array in files.items():
        stage(page, name).get_by_label("File of codes").set_input_files(npy(array))
        run(page, name)
    expect(stage(page, "decode").locator("[data-figure=duration]")).to_have_text("0.56 s")
    options = {"max_new_tokens": 20, "use_g2p": False, "prompt_tokens": base64.b64encode(npy(codes)["buffer"]).decode()}
    body = {"text": "Hello there.", "engine": "fish", "seed": 7, "options": options}
    assert download(stage(page, "generate")) == server.client.post("/v1/codes", json=body).content


def test_errors_are_shown_at_the_field(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/{LINK}&prompt=none&codes=file", logs="status of 4")
    codes = stage(page, "decode").get_by_label("File of codes")
    codes.set_input_files({"name": "a.npy", "mimeType": "text/plain", "buffer": b"not codes"})
    expect(codes).to_have_accessible_description(re.compile("This is not an .npy file."))
    expect(stage(page, "decode").get_by_role("button", name="Run")).to_be_disabled()
    codes.set_input_files(npy(np.zeros((4, 3), np.float32)))
    expect(codes).to_have_accessible_description(re.compile("type <f4: codes are integers"))
    codes.set_input_files(npy(np.zeros((4, 1 << 15))))
    expect(codes).to_have_accessible_description(re.compile("the limit is 1048576"))
    codes.set_input_files(npy(np.full((4, 3), 160)))
    run(page, "decode", "failed")
    expect(codes).to_have_accessible_description(re.compile("tokens.0: .*160"))  # the API's words
    file = stage(page, "encode").get_by_label("Recording", exact=True)
    file.set_input_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": b"no sound"})
    run(page, "encode", "failed")
    expect(file).to_have_attribute("aria-invalid", "true")
    expect(file).to_have_accessible_description(re.compile("audios.0: "))
    page.get_by_label("max_new_tokens").fill("1")
    run(page, "generate", "failed")
    expect(page.get_by_label("max_new_tokens")).to_have_accessible_description(re.compile("must be 0, or 2 or more"))


def test_cancelled_stage_frees_the_engine(server: Gateway, open_page: Open) -> None:
    long = "#stages?prompt=none&options.max_new_tokens=4096&options.use_g2p=false&text=" + "word+" * 60
    page = open_page(f"{server.url}/ui/{long}&options.chunk_length=30")
    section = stage(page, "generate")
    section.get_by_role("button", name="Run").click()
    expect(section.get_by_role("progressbar")).to_be_visible()
    section.get_by_role("button", name="Cancel").click()
    expect(section).to_have_attribute("data-state", "cancelled")
    deadline = time.monotonic() + 10
    while server.client.get("/v1/engines/fish").json()["queue"]["active"]:
        assert time.monotonic() < deadline, "the job went on"
        time.sleep(0.05)
    page.get_by_label("max_new_tokens").fill("5")
    run(page, "generate")


def test_link_restores_the_settings(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#stages")
    stage(page, "generate").get_by_label("Voice", exact=True).select_option("none")
    stage(page, "decode").get_by_label("Codes", exact=True).select_option("encoded")
    page.get_by_label("Text", exact=True).fill("a & b")
    page.get_by_label("top_p").fill("0.4")
    expect(page).to_have_url(re.compile("top_p.*codes=encoded"))
    again = open_page(page.url)
    expect(again.get_by_label("Text", exact=True)).to_have_value("a & b")
    expect(again.get_by_label("top_p")).to_have_value("0.4")
    expect(again.get_by_label("Voice", exact=True)).to_have_value("none")
    expect(again.get_by_label("Codes", exact=True)).to_have_value("encoded")


def test_engines_without_a_codec_are_not_offered(server: Gateway, open_page: Open) -> None:
    page = open_page(f"{server.url}/ui/#stages")
    listed = server.client.get("/v1/engines").json()
    listed["engines"] = [engine for engine in listed["engines"] if engine["name"] != "fish"]
    page.route("**/v1/engines", lambda route: route.fulfill(json=listed))
    page.reload()
    expect(page.get_by_text("No configured engine has a codec.")).to_be_visible()
    expect(page.get_by_label("Engine", exact=True)).to_be_hidden()


def test_view_is_accessible_and_fits_a_narrow_screen(server: Gateway, open_page: Open) -> None:
    size = {"width": 360, "height": 800}
    page = open_page(f"{server.url}/ui/{LINK}&prompt=none", color_scheme="dark", viewport=size)
    run(page, "generate")
    run(page, "decode")
    check_accessibility(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_stages_screenshot_for_the_documentation(server: Gateway, open_page: Open, clip: bytes, pictures: Path) -> None:
    page = open_page(f"{server.url}/ui/{LINK}", viewport={"width": 1100, "height": 760})
    stage(page, "encode").get_by_label("Recording", exact=True).set_input_files(recording(clip))
    for name in ("encode", "generate", "decode"):
        run(page, name)
    page.screenshot(path=pictures / "ui-stages.png", full_page=True)
