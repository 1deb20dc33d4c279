"""Checkpoints from a fake hub with the real protocol: the commands, and engines that load fetched files."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import hibari
import pytest
import yaml
from support.gateway_process import start_gateway, wait_ready
from support.hub.fake_hub import FakeHub, running

WEIGHTS = bytes(range(256)) * 20_000  # 5 MB
REFERENCE = "hf://owner/voice/model.safetensors"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running() as hub:
        hub.add("owner/voice", {"model.safetensors": WEIGHTS, "config.json": b"{}"})
        yield hub


@pytest.fixture
def environment(tmp_path: Path, hub: FakeHub) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}


def config(folder: Path, **model: object) -> dict:
    return {
        "port": 0,
        "default_engine": "tone",
        "data_dir": str(folder / "data"),
        "engines": {"tone": {"backend": "tone", "load": "lazy", "model": model}},
    }


def voxgate(*arguments: str | Path, environment: dict[str, str], status: int = 0) -> str:
    command = [sys.executable, "-m", "gateway", *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    result = subprocess.run(command, capture_output=True, text=True, env={**clean, **environment})
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config(tmp_path, checkpoint=REFERENCE)))
    return path


def test_pull_fetches_the_files_of_an_engine(environment: dict[str, str], config_file: Path, tmp_path: Path) -> None:
    plan = voxgate("pull", "tone", "--dry-run", "--config", config_file, environment=environment)
    assert "5.1 MB to fetch" in plan
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").rglob("*.safetensors"))
    output = voxgate("pull", "tone", "--config", config_file, environment=environment)
    assert "license unknown" in output
    (file,) = (tmp_path / "cache").rglob("*.safetensors")
    assert str(file) in output
    assert file.read_bytes() == WEIGHTS
    assert "0 B to fetch" in voxgate("pull", "tone", "--dry-run", "--config", config_file, environment=environment)


def test_pull_accepts_references_and_endpoints(environment: dict[str, str], hub: FakeHub, tmp_path: Path) -> None:
    dead = {**environment, "HF_ENDPOINT": "http://127.0.0.1:9"}
    refused = voxgate("pull", REFERENCE, environment=dead, status=1)
    assert "127.0.0.1:9" in refused
    voxgate("pull", "hf://owner/voice", "--endpoint", "http://127.0.0.1:9", "--endpoint", hub.url, environment=dead)
    assert {path.name for path in (tmp_path / "cache").rglob("snapshots/*/*")} == {"model.safetensors", "config.json"}


def test_pull_check_finds_damage(environment: dict[str, str], tmp_path: Path) -> None:
    voxgate("pull", "hf://owner/voice", environment=environment)
    assert "2 files verified" in voxgate("pull", "--check", environment=environment)
    (file,) = (tmp_path / "cache").rglob("*.safetensors")
    file.resolve().write_bytes(b"x" + WEIGHTS[1:])
    output = voxgate("pull", "--check", environment=environment, status=1)
    assert "damaged or missing: owner/voice@" in output
    voxgate("pull", "hf://owner/voice", environment=environment)
    assert file.read_bytes() == WEIGHTS
    voxgate("pull", "--check", environment=environment)


def test_pull_keeps_a_branchs_commit_without_update(environment: dict[str, str], hub: FakeHub) -> None:
    first = voxgate("pull", REFERENCE, environment=environment)
    hub.add("owner/voice", {"model.safetensors": WEIGHTS + b"new"})
    assert voxgate("pull", REFERENCE, environment=environment) == first
    updated = voxgate("pull", REFERENCE, "--update", environment=environment)
    assert updated != first
    assert Path(updated.splitlines()[0]).read_bytes() == WEIGHTS + b"new"


def test_pull_prints_errors(environment: dict[str, str], hub: FakeHub) -> None:
    assert "unknown name 'tuba'" in voxgate("pull", "tuba", environment=environment, status=2)
    assert "is not a URL" in voxgate("pull", "tone", "--endpoint", "nonsense", environment=environment, status=2)
    assert "--check excludes" in voxgate("pull", "f5", "--check", "--dry-run", environment=environment, status=2)
    assert "missing name" in voxgate("pull", environment=environment, status=2)
    assert "Traceback" not in voxgate("pull", "hf://owner/nothing/x", environment=environment, status=1)
    offline = {**environment, "HF_HUB_OFFLINE": "1"}
    assert "model.safetensors" in voxgate("pull", REFERENCE, environment=offline, status=1)


def test_doctor_reports_endpoints_checkpoints_and_problems(
    environment: dict[str, str], config_file: Path, hub: FakeHub
) -> None:
    report = voxgate("doctor", "--config", config_file, environment=environment)
    assert hub.url in report
    assert "answers in" in report
    assert "not cached; license unknown" in report
    assert "all available: wav, mp3" in report
    voxgate("pull", "tone", "--config", config_file, environment=environment)
    assert "engine tone: hf://owner/voice/model.safetensors" in (
        report := voxgate("doctor", "--config", config_file, environment=environment)
    )
    assert "not cached" not in report
    dead = {**environment, "HF_ENDPOINT": "http://127.0.0.1:9"}
    assert "problems found: 1" in voxgate("doctor", "--config", config_file, environment=dead, status=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"chekpoint": "x"}}, "engines.tone.model.chekpoint: unknown key"),
        ({"model": {"checkpoint": "hf://owner/voice/../x"}}, "hf://owner/voice/../x"),
        ({"backend": "tuba"}, "no engine plugin 'tuba'"),
        ({"device": "cuda:0"}, "no GPU is available"),
        ({"device": "gpu"}, "engines.tone.device: 'gpu' is not supported; use auto or cpu"),
        ({"python": "/no/such/python"}, "cannot be run"),
    ],
)
def test_doctor_finds_problems_of_an_engine(
    environment: dict[str, str], tmp_path: Path, change: dict, message: str
) -> None:
    path = tmp_path / "c.yaml"
    settings = config(tmp_path)
    settings["engines"]["tone"].update(change)
    path.write_text(yaml.safe_dump(settings))
    assert message in voxgate("doctor", "--config", path, environment=environment, status=1)


def test_doctor_reports_invalid_hub_variables(environment: dict[str, str]) -> None:
    output = voxgate("doctor", environment={**environment, "HF_ENDPOINT": "ftp://x"}, status=2)
    assert "ftp://x" in output
    assert "Traceback" not in output


def test_progress_bar_fits_80_columns(environment: dict[str, str], hub: FakeHub) -> None:
    hub.faults.throttle_bytes_s = 3_000_000
    command = [sys.executable, "-m", "gateway", "pull", "hf://owner/voice/model.safetensors"]
    child, terminal = pty.fork()
    if not child:
        os.environ.update({**environment, "COLUMNS": "80", "TERM": "xterm"})
        os.execv(sys.executable, command)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a pseudo-terminal
        while data := os.read(terminal, 65536):
            shown += data
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown.decode()
    lines = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode().replace("\r", "\n").splitlines()
    bars = [line for line in lines if "model.safetensors" in line and "B/s" in line]
    assert bars, lines
    assert any(re.search(r"\d/5\.1 MB +\d\.\d MB/s +0?\d:\d\d", line) for line in bars), bars
    assert all(len(line) <= 80 for line in bars), max(bars, key=len)


def test_doctor_warns_of_non_commercial_weights(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config(tmp_path, checkpoint="hf://SWivid/F5-TTS/F5TTS_v1_Base/x.safetensors")))
    report = voxgate("doctor", "--config", path, environment=environment)
    assert "CC-BY-NC-4.0: not for commercial use" in report


def test_first_request_fetches_the_checkpoint_and_progress_is_reported(
    environment: dict[str, str], hub: FakeHub, tmp_path: Path
) -> None:
    hub.faults.throttle_bytes_s = 4_000_000
    settings = config(tmp_path, checkpoint=REFERENCE)
    settings["engines"]["tone"]["load_wait_s"] = 0
    gateway = start_gateway(tmp_path, settings, env=environment)
    try:
        assert gateway.client.get("/v1/engines/tone").json()["state"] == "unloaded"
        seen = set()
        deadline = time.monotonic() + 30
        while (response := gateway.client.post("/tts", json={"text": "x"})).status_code != 200:
            assert response.status_code == 503
            assert 1 <= int(response.headers["retry-after"]) <= 600
            engine = gateway.client.get("/v1/engines/tone").json()
            if (progress := engine["progress"]) and progress["total"] == len(WEIGHTS):
                seen.add(progress["done"])
                assert engine["state"] == "loading"
            assert time.monotonic() < deadline, gateway.log.read_text()
            time.sleep(0.05)
        assert len(seen) >= 3, "the progress grows"
        assert max(seen) <= len(WEIGHTS)
    finally:
        gateway.stop()


def test_missing_checkpoint_fails_one_engine_with_its_reason(
    environment: dict[str, str], hub: FakeHub, tmp_path: Path
) -> None:
    settings = config(tmp_path, checkpoint="hf://owner/voice/missing.safetensors")
    settings["engines"]["other"] = {"backend": "tone", "load": "eager"}
    gateway = start_gateway(tmp_path, settings, env=environment)
    try:
        gateway.client.post("/v1/engines/tone/load")
        deadline = time.monotonic() + 20
        while (engine := gateway.client.get("/v1/engines/tone").json())["state"] != "failed":
            assert time.monotonic() < deadline, engine
            time.sleep(0.05)
        assert "missing.safetensors" in engine["error"]
        response = gateway.client.post("/tts", json={"text": "x"})
        assert response.status_code == 503
        assert "missing.safetensors" in response.json()["error"]["message"]
        assert gateway.client.post("/tts?engine=other", json={"text": "x"}).status_code == 200
        hub.add("owner/voice", {"missing.safetensors": WEIGHTS})
        gateway.client.post("/v1/engines/tone/load")
        wait_ready(gateway)
    finally:
        gateway.stop()


def test_hub_is_set_in_the_configuration(tmp_path: Path, hub: FakeHub) -> None:
    settings = config(tmp_path, checkpoint=REFERENCE)
    settings["hub"] = {"endpoints": ["http://127.0.0.1:9", hub.url], "cache_dir": str(tmp_path / "elsewhere")}
    gateway = start_gateway(tmp_path, settings)
    try:
        gateway.client.post("/v1/engines/tone/load")
        wait_ready(gateway)
        assert list((tmp_path / "elsewhere").rglob("*.safetensors"))
    finally:
        gateway.stop()


def test_lite_uses_a_voice_from_the_hub(environment: dict[str, str], hub: FakeHub, tmp_path: Path) -> None:
    """The voice "emma" is another file of the same layout; this test serves the shipped voice under that name."""
    onnx = (Path(hibari.__file__).parent / "assets/hibari.onnx").read_bytes()
    hub.add("maureesewilliams/hibari", {"voices/bf_emma.int8.onnx": onnx})
    voices = {"heart": None, "emma": "hf://maureesewilliams/hibari/voices/bf_emma.int8.onnx"}
    settings = {
        "port": 0,
        "default_engine": "lite",
        "engines": {"lite": {"backend": "lite", "model": {"voices": voices}}},
    }
    gateway = start_gateway(tmp_path, settings, env=environment)
    try:
        gateway.client.post("/v1/engines/lite/load")
        deadline = time.monotonic() + 30
        while (engine := gateway.client.get("/v1/engines/lite").json())["state"] != "ready":
            assert time.monotonic() < deadline, engine
            time.sleep(0.05)
        assert engine["voices"] == ["heart", "emma"]
        said = {
            voice: gateway.client.post("/tts", json={"text": "I can't dance.", "voice": voice, "seed": 1})
            for voice in voices
        }
        assert said["emma"].headers["x-voxgate-voice"] == "emma"
        assert said["emma"].content != said["heart"].content, "emma has British vowels"
    finally:
        gateway.stop()
