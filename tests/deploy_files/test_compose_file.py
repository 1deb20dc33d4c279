"""The Compose file: valid by the specification's schema, and every file and target that it names exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gateway.settings_sources import load_settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/compose"
GATEWAYS = ("voxgate", "voxgate-cuda")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with the default values of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (FOLDER / "compose.yaml").read_text())
    assert "${" not in text
    model: dict[str, Any] = yaml.safe_load(text)
    return model


def test_compose_file_is_valid(compose: dict[str, Any]) -> None:
    schema = json.loads((Path(__file__).parent / "schemas/compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(compose)


def test_every_service_has_a_profile(compose: dict[str, Any]) -> None:
    profiles = {name: service["profiles"] for name, service in compose["services"].items()}
    monitoring = ["monitoring"]
    assert profiles == {"voxgate": ["cpu"], "voxgate-cuda": ["cuda"], "prometheus": monitoring, "grafana": monitoring}


def test_ports_are_open_on_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service["ports"]]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])


def test_services_cannot_write_outside_of_volumes(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_mounted_files_and_volumes_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for source, _, mode in (volume.partition(":") for volume in service["volumes"]):
            if source.startswith("."):
                assert (FOLDER / source).is_file()
                assert mode.endswith(":ro")
            else:
                assert source in compose["volumes"]


@pytest.mark.parametrize("name", GATEWAYS)
def test_configuration_is_the_gateways(
    compose: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = compose["services"][name]
    monkeypatch.chdir(tmp_path)  # shipped files are found from every folder
    for variable, value in service["environment"].items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.port == 8000
    assert not settings.access.keys
    assert float(service["stop_grace_period"].removesuffix("s")) > settings.limits.drain_s


def test_prometheus_scrapes_the_gateway_of_either_profile(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    (job,) = config["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    for name in GATEWAYS:
        alias = compose["services"][name]["networks"]["default"]["aliases"][0]
        assert target.split(":") == [alias, "8000"]
        assert alias in compose["services"][name]["environment"]["VOXGATE_ACCESS__HOSTS"]


def test_grafana_finds_prometheus_and_the_dashboard(compose: dict[str, Any]) -> None:
    (source,) = yaml.safe_load((FOLDER / "grafana/datasources.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((FOLDER / "grafana/dashboards.yaml").read_text())["providers"]
    assert source["url"] == "http://prometheus:9090"
    mounted = [volume.split(":")[1] for volume in compose["services"]["grafana"]["volumes"]]
    assert compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in mounted
    assert any(Path(path).parent == Path(provider["options"]["path"]) for path in mounted)
