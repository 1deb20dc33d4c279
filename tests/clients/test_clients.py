"""Clients with the defaults of their packages, run against a gateway.

Each is a program in an environment of its own (``make client-env``), because the packages need versions that the
gateway does not. The versions are in requirements.txt and package.json.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients/bin/python"
NODE_MODULES = ROOT / "tests/clients/node_modules"
CHAR_S = 0.05  # as the tone engine speaks


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start_gateway(tmp_path_factory.mktemp("gateway"), TONE)
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def result_of(name: str, gateway: Gateway, *arguments: Path, **env: str) -> dict[str, Any]:
    """Run a program in the clients' environment; return the JSON object that it prints last."""
    needed, command = (PYTHON, PYTHON) if name.endswith(".py") else (NODE_MODULES, "node")
    assert needed.exists(), f"{needed} is missing: make client-env"
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}  # compiled once, too
    done = subprocess.run(
        [command, ROOT / "tests/clients/programs" / name, gateway.url, *arguments],
        env={**clean, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **env},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_livekits_plugins_speak(gateway: Gateway) -> None:
    found = result_of("livekit_speech.py", gateway)
    assert found["model"] == "s2.1-pro"
    assert found["errors"] == []
    assert found["http_s"] == pytest.approx(19 * CHAR_S)
    assert found["first_s"] == pytest.approx((12 + 12) * CHAR_S)
    assert found["nothing_s"] == pytest.approx(0.2)
    assert found["second_s"] == pytest.approx((13 + 12) * CHAR_S, abs=0.25)
    assert found["opus_s"] == pytest.approx(12 * CHAR_S, abs=0.2)
    assert found["sockets"] == 2, "one for each format, although three texts were spoken in the first"
    found = found["openai"]
    assert (found["model"], found["errors"]) == ("gpt-4o-mini-tts", [])
    assert found["spoken_s"] == pytest.approx(19 * CHAR_S, abs=0.1)
    assert found["nothing_s"] == pytest.approx(0.2, abs=0.1)


def test_pipecats_services_speak_and_stay_usable(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    found = result_of("pipecat_speech.py", gateway, file, FISH_BASE_URL=gateway.url)
    assert soundfile.info(file).duration == pytest.approx(12 * CHAR_S), "by the example"
    fish, openai = found["fish"], found["openai"]
    assert (fish["model"], fish["rates"], fish["errors"]) == ("s2.1-pro", [24000], [])
    assert (fish["contexts"], fish["spoken_s"]) == (2, pytest.approx((12 + 12) * CHAR_S + 0.2, abs=0.1))
    assert fish["smallest"] > 1024, "older versions of Pipecat drop shorter audio"
    assert (openai["model"], openai["rates"], openai["errors"]) == ("gpt-4o-mini-tts", [24000], [])
    assert openai["spoken_s"] == pytest.approx((12 + 6) * CHAR_S + 0.2)


def test_litellm_speaks(gateway: Gateway) -> None:
    found = result_of("litellm_speech.py", gateway)
    assert found.pop("nothing") == "text has nothing to speak: 0.2 s of silence"
    assert {start[:3] for start, _ in found.values()} == {"fff"}, "MP3"
    assert all(size > 10_000 for _, size in found.values())


def test_openais_node_package_and_the_vercel_ai_sdk_speak(gateway: Gateway) -> None:
    found = result_of("node_clients.mjs", gateway)
    assert (found["openai"]["start"][:3], found["ai"]["start"][:3]) == ("fff", "fff"), "MP3"
    assert found["openai"]["size"] == found["ai"]["size"] > 10_000
    assert (found["ai"]["type"], found["ai"]["warnings"]) == ("audio/mpeg", 0)
    assert found["note"] == "text has nothing to speak: 0.2 s of silence"
    assert found["models"][0] == "tone"
    assert found["refused"] == ["NotFoundError", 404, "model_not_found"]
