"""The gateway starts in containers: variables of Kubernetes, users without an account, read-only file systems."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready

from gateway.environment import kubernetes_variables, user_folder
from gateway.errors import ConfigError
from gateway.settings_sources import load_settings

SERVICE = {
    "VOXGATE_SERVICE_HOST": "10.0.0.5",
    "VOXGATE_SERVICE_PORT": "8000",
    "VOXGATE_SERVICE_PORT_HTTP": "8000",
    "VOXGATE_PORT": "tcp://10.0.0.5:8000",
    "VOXGATE_PORT_8000_TCP": "tcp://10.0.0.5:8000",
    "VOXGATE_PORT_8000_TCP_PROTO": "tcp",
    "VOXGATE_PORT_8000_TCP_PORT": "8000",
    "VOXGATE_PORT_8000_TCP_ADDR": "10.0.0.5",
    "VOXGATE_GPU_SERVICE_HOST": "10.0.0.6",  # of a Service named voxgate-gpu
    "VOXGATE_GPU_PORT": "tcp://10.0.0.6:80",
    "VOXGATE_GPU_PORT_80_TCP": "tcp://10.0.0.6:80",
}


def test_variables_of_a_kubernetes_service_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VOXGATE_LIMITS__VOICES", "7")
    settings = load_settings()
    assert (settings.port, settings.limits.voices) == (8000, 7)
    assert kubernetes_variables() == SERVICE.keys()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("VOXGATE_SERVICE_HOTS", "10.0.0.5", "unknown environment variable VOXGATE_SERVICE_HOTS"),
        ("VOXGATE_PORT_8000", "tcp://10.0.0.5:8000", "unknown environment variable VOXGATE_PORT_8000"),
        ("VOXGATE_PORT", "http://10.0.0.5", "port: Input should be a valid integer"),
        ("VOXGATE_HOST_PORT", "9000", "unknown environment variable VOXGATE_HOST_PORT"),
    ],
)
def test_variables_that_only_resemble_them_are_errors(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        load_settings()


def test_port_set_as_a_number_is_the_port_beside_variables_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SERVICE, "VOXGATE_PORT": "9000"}.items():
        monkeypatch.setenv(name, value)
    assert load_settings().port == 9000


def test_user_without_an_account_and_home_has_a_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert load_settings().data_dir == Path("/var/lib/voxgate")
    assert user_folder("state") is None


def test_gateway_starts_for_a_user_without_an_account(tmp_path: Path) -> None:
    unshare = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("needs user namespaces")
    path = tmp_path / "c.yaml"
    path.write_text(f"default_engine: tone\nengines: {{tone: {{backend: tone}}}}\ndata_dir: {tmp_path}/data\nport: 0\n")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = [*unshare, sys.executable, "-m", "gateway"]
    listed = subprocess.run([*command, "engines", "--config", path], env=env, capture_output=True, text=True)
    assert (listed.returncode, listed.stderr) == (0, "")
    spoken = tmp_path / "x.wav"
    said = subprocess.run(
        [*command, "say", "hi", "-o", spoken, "--config", path], env=env, capture_output=True, text=True
    )
    assert (said.returncode, "Traceback" in said.stderr, spoken.exists()) == (0, False, True), said.stderr


@pytest.fixture
def read_only_data(tmp_path: Path) -> str:
    """A data_dir in a folder that cannot be written."""
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o500)
    if os.getuid() == 0:  # root may write everywhere else
        return "/sys/voxgate"
    return str(folder / "data")


def test_gateway_starts_and_speaks_without_a_writable_data_folder(
    read_only_data: str, tmp_path: Path, clip: bytes
) -> None:
    gateway = start_gateway(tmp_path, {**TONE, "data_dir": read_only_data})
    try:
        wait_ready(gateway)
        assert f"data_dir: {read_only_data}/voices cannot be created" in gateway.log.read_text()
        assert gateway.client.post("/tts", json={"text": "hi"}).status_code == 200
        assert {voice["kind"] for voice in gateway.client.get("/v1/voices").json()["voices"]} == {"built-in"}
        for path, data, file in (("/v1/voices", {"name": "ann"}, "audio"), ("/model", {"title": "ann"}, "voices")):
            refused = gateway.client.post(path, data=data, files={file: clip})
            assert refused.status_code == 507, refused.text
            assert "set data_dir to another folder" in refused.text
            assert read_only_data not in refused.text
        assert gateway.client.delete("/v1/voices/ann").status_code == 404
    finally:
        assert gateway.stop() == 0


def serve(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "serve", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200", **env})


def test_port_in_use_is_one_line_that_names_the_port_and_the_process(gateway: Gateway) -> None:
    port = gateway.url.rsplit(":", 1)[1]
    refused = serve("--port", port)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"error: port {port} is in use by process {gateway.process.pid} (")
    assert line.endswith("stop that process, or choose another port with --port (0: a free one)")


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("203.0.113.9", "cannot listen on 203.0.113.9 port 0: "),
        ("no-such-host.invalid", "host 'no-such-host.invalid' is not an address of this machine"),
    ],
)
def test_unusable_address_is_one_line(host: str, message: str) -> None:
    refused = serve("--host", host, "--port", "0")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"error: {message}")


def test_all_addresses_of_both_families_are_served(tmp_path: Path) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    gateway = start_gateway(tmp_path, {**TONE, "host": "::"})
    try:
        port = gateway.url.rsplit(":", 1)[1]
        for host in ("127.0.0.1", "[::1]"):
            assert gateway.client.get(f"http://{host}:{port}/health/live").status_code == 200
    finally:
        gateway.stop()
