"""A gateway whose disk is full: typed errors, no traceback, nothing half-written, and speech as before."""

from __future__ import annotations

import io
import resource
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready

WORDS = {f"word{index}": "spoken " * 20 for index in range(2_000)}  # 300 kB


def clip(seconds: float) -> bytes:
    """A WAV file of 24 kHz and 16 bits; 48 kB per second."""
    file = io.BytesIO()
    rate = np.random.default_rng(0)
    samples = rate.normal(0, 0.2, round(seconds * 24_000)) * np.sin(np.arange(round(seconds * 24_000)) / 2_000) ** 2
    soundfile.write(file, samples.clip(-1, 1), 24_000, format="WAV", subtype="PCM_16")
    return file.getvalue()


def store(gateway: Gateway, name: str, seconds: float) -> httpx.Response:
    return gateway.client.post("/v1/voices", data={"name": name}, files={"audio": clip(seconds)})


def kept_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "voxgate-test", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start_gateway(tmp_path_factory.mktemp("gateway"), TONE)
    wait_ready(running)
    yield running
    running.stop()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_full_disk_is_507_and_does_not_stop_speech(small_disk: Path, tmp_path: Path) -> None:
    filler = small_disk / "filler"
    fill(filler)
    config: dict[str, Any] = {**TONE, "data_dir": str(small_disk / "data")}
    gateway = start_gateway(tmp_path, config, env={"XDG_STATE_HOME": str(small_disk / "state")})
    try:
        wait_ready(gateway)
        assert gateway.client.post("/tts", json={"text": "hi"}).status_code == 200
        for refused in (
            store(gateway, "ada", 2),
            gateway.client.post("/v1/audio/voices", data={"name": "ada"}, files={"audio_sample": clip(2)}),
            gateway.client.post("/model", data={"title": "ada"}, files={"voices": clip(2)}),
            gateway.client.post("/v1/references/add", data={"id": "ada", "text": ""}, files={"audio": clip(2)}),
            gateway.client.put("/v1/lexicons/words", json={"entries": WORDS}),
        ):
            assert refused.status_code == 507, refused.text
            assert "free space, or set data_dir to another folder" in refused.text
            assert str(small_disk) not in refused.text
        assert kept_files(small_disk) == {"filler"}, "also no state file and no capabilities"

        filler.unlink()
        stored = store(gateway, "ada", 2)
        assert stored.status_code == 201, stored.text
        fill(filler)
        assert gateway.client.patch("/v1/voices/ada", json={"name": "bob"}).status_code == 507
        assert gateway.client.get("/v1/voices/ada/audio").status_code == 200
        assert kept_files(small_disk / "data" / "voices") == {
            f"{stored.json()['id']}/{name}" for name in ("audio.wav", "voice.json")
        }
        assert gateway.client.delete("/v1/voices/ada").status_code == 204
        assert kept_files(small_disk / "data") == set()
        log = gateway.log.read_text()
        assert "No space left on device" in log
        assert f"{small_disk}/data" in log, "operators see the path"
        assert "Traceback" not in log
    finally:
        assert gateway.stop() == 0


def test_write_that_fails_midway_is_507_and_leaves_nothing(gateway: Gateway) -> None:
    """A limit on file sizes fails a write after its first 100,000 bytes, and needs no rights."""
    data = gateway.log.parent / "data"
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    before = kept_files(data)
    for failed in (store(gateway, "long", 25), gateway.client.put("/v1/lexicons/words", json={"entries": WORDS})):
        assert failed.status_code == 507, failed.text
        assert failed.json()["error"]["type"] == "insufficient_storage"
        assert "File too large" in failed.json()["error"]["message"]
    assert kept_files(data) == before
    assert store(gateway, "short", 1.5).status_code == 201
    assert "Traceback" not in gateway.log.read_text()
