"""examples/engine_espeak: an engine of another package, installed and spoken with through a gateway."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.gateway_process import Gateway, read_audio, start_gateway, wait_ready

PACKAGE = Path(__file__).parents[1] / "examples/engine_espeak"
pytestmark = pytest.mark.slow  # needs the program espeak-ng: make system-deps


@pytest.fixture(scope="module")
def search_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The value of PYTHONPATH with which Python finds the installed package."""
    site = tmp_path_factory.mktemp("site")
    uv = Path(sys.executable).parent / "uv"
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", site, PACKAGE]
    subprocess.run(command, check=True)
    return f"{site}:{os.environ.get('PYTHONPATH', '')}"


@pytest.fixture(scope="module")
def espeak(search_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"port": 0, **yaml.safe_load((PACKAGE / "gateway.yaml").read_text())}
    running = start_gateway(tmp_path_factory.mktemp("gateway"), config, env={"PYTHONPATH": search_path})
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def test_requests_of_the_readme_speak(espeak: Gateway, tmp_path: Path) -> None:
    _, requests = re.findall(r"^```sh\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    requests = requests.replace("localhost:8000", espeak.url)
    subprocess.run(["bash", "-ec", requests], cwd=tmp_path, check=True)
    for name in ("hello.wav", "german.wav", "chinese.wav"):
        samples, rate = read_audio((tmp_path / name).read_bytes())
        assert rate == 22050
        assert 0.5 < len(samples) / rate < 4
        assert abs(samples).max() > 0.05


def test_voices_and_languages_are_those_of_the_program(espeak: Gateway) -> None:
    engine = espeak.client.get("/v1/engines/espeak").json()
    assert engine["state"] == "ready"
    assert {"en", "de", "fr", "zh", "ru", "ar", "hi"} <= set(engine["languages"])
    voices = {voice["name"] for voice in espeak.client.get("/v1/voices").json()["voices"]}
    assert {"en-us", "en-gb", "de", "cmn"} <= voices


def test_numbers_are_read_in_the_language_of_the_request(espeak: Gateway) -> None:
    body = {"text": "Das kostet 5,99 €.", "voice": "de", "language": "de", "response": "base64"}
    answer = espeak.client.post("/tts", json=body).json()
    assert answer["spoken_text"] == "Das kostet fünf Euro neunundneunzig."


def test_language_chooses_a_voice(espeak: Gateway) -> None:
    response = espeak.client.post("/tts", json={"text": "Guten Tag.", "language": "de"})
    assert (response.status_code, response.headers["x-voxgate-voice"]) == (200, "de")


def test_language_that_the_voice_does_not_speak_is_refused(espeak: Gateway) -> None:
    response = espeak.client.post("/tts", json={"text": "Guten Tag.", "language": "de", "voice": "en-us"})
    assert response.status_code == 422
    assert response.json()["error"]["message"] == "the voice 'en-us' speaks en, not de: set voice to one of de"


def test_script_that_the_voice_does_not_read_is_refused(espeak: Gateway) -> None:
    response = espeak.client.post("/tts", json={"text": "Привет", "voice": "de"})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "text"


def test_package_passes_the_contract_tests(search_path: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "-W", "error"]
    environment = {**os.environ, "PYTHONPATH": search_path}
    result = subprocess.run(command, cwd=PACKAGE, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    # The one that is skipped needs a job that fails, and no text is known that makes espeak-ng fail.
    assert re.search(r"\d+ passed, 1 skipped", result.stdout), result.stdout
