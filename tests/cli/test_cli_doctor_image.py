"""``voxgate doctor --image``, outside of a container; tests/image runs it inside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.gateway_process import TONE, Gateway

from gateway.cli.container import container_findings, driver
from gateway.cli.findings import Finding
from gateway.settings import Settings
from gateway.settings_sources import load_settings


def settings(folder: Path, port: int) -> Settings:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**TONE, "port": port, "data_dir": str(folder / "data")}))
    return load_settings(path)


def by_subject(found: list[Finding], subject: str) -> Finding:
    (one,) = [finding for finding in found if finding.subject.startswith(subject)]
    return one


@pytest.fixture
def findings(gateway: Gateway, tmp_path: Path) -> list[Finding]:
    port = int(gateway.url.rsplit(":", 1)[1])
    return list(container_findings(settings(tmp_path, port), None, None))


def test_running_gateway_is_alive_and_ready(gateway: Gateway, findings: list[Finding]) -> None:
    assert by_subject(findings, f"{gateway.url}/health/live").ok
    ready = by_subject(findings, f"{gateway.url}/health/ready")
    assert ready.ok
    assert '"lite":"ready"' in ready.state
    assert not [finding for finding in findings if finding.subject.endswith("/ping")]


def test_user_and_writable_folders_are_reported(findings: list[Finding], tmp_path: Path) -> None:
    assert f"uid {os.getuid()}" in by_subject(findings, "user").state
    data = by_subject(findings, f"data {tmp_path}/data")
    assert data.ok
    assert data.state.startswith("writable, ")
    assert not (tmp_path / "data").exists()


def test_gateway_that_does_not_answer_is_a_problem(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        found = list(container_findings(settings(tmp_path, held.getsockname()[1]), None, None))
    live = by_subject(found, "http://127.0.0.1")
    assert live.ok is False
    assert "does not answer" in live.state


def test_unwritable_data_folder_is_a_problem_with_its_fix(tmp_path: Path) -> None:
    configured = settings(tmp_path, 1).model_copy(update={"data_dir": Path("/proc/voices")})
    data = by_subject(list(container_findings(configured, None, None)), "data /proc/voices")
    assert data.ok is False
    assert f"mount a volume that uid {os.getuid()} can write to" in data.state


@pytest.mark.parametrize(
    ("files", "state"),
    [
        (["voxgate.yaml", "f5"], "f5, voxgate.yaml; configuration: voxgate.yaml"),
        ([], "empty; configuration: the shipped configs/sagemaker.yaml"),
        (None, "none (No such file or directory): the shipped configuration is used"),
    ],
)
def test_model_archive_of_sagemaker_is_reported(tmp_path: Path, files: list[str] | None, state: str) -> None:
    folder = tmp_path / "model"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    found = list(container_findings(settings(tmp_path, 1), None, folder))
    assert by_subject(found, f"model archive {folder}").state == state


@pytest.mark.parametrize(
    ("torch_cuda", "driver_cuda", "ok", "state"),
    [
        ("13.0", None, None, "none in this container: engines run on the CPU"),
        (None, (13, 0), None, "CUDA 13.0; PyTorch for CUDA is not installed"),
        ("13.0", (12, 4), False, "CUDA 12.4; PyTorch needs 13.0: update the driver"),
        ("13.2", (13, 0), True, "CUDA 13.0; PyTorch needs 13.2"),
        ("12.6", (13, 0), True, "CUDA 13.0; PyTorch needs 12.6"),
    ],
)
def test_driver_must_support_the_major_version_of_pytorchs_cuda(
    torch_cuda: str | None, driver_cuda: tuple[int, int] | None, ok: bool | None, state: str
) -> None:
    finding = driver(torch_cuda, driver_cuda, "550.54")
    assert finding.ok is ok
    assert state in finding.state


def test_command_adds_the_findings_and_exits_with_status_1_for_problems(tmp_path: Path) -> None:
    settings(tmp_path, 1)  # nothing listens on that port
    command = [sys.executable, "-m", "gateway", "doctor", "--image", "--config", str(tmp_path / "config.yaml")]
    environment = {**os.environ, "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 1
    assert "root file system" in result.stdout
    assert "problems found: 1, marked with !!" in result.stderr
