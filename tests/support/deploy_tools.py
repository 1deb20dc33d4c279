"""Helm and Prometheus for tests: those of the machine, or those in ``.deploy/`` from ``make deploy-tools``."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/voxgate"
EXAMPLE = ROOT / "deploy/helm/examples/gpu.yaml"
_PLACES = f"{ROOT}/.deploy/helm:{ROOT}/.deploy/usr/bin"


def tool(name: str) -> str:
    """Path of a program; the test is skipped without it."""
    path = shutil.which(name) or shutil.which(name, path=_PLACES)
    if path is None:
        pytest.skip(f"{name} is not installed, see make deploy-tools")
    return path


def helm(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("helm"), *map(str, arguments)], capture_output=True, text=True, check=False)


def render(*arguments: object, namespace: str = "speech") -> list[dict[str, Any]]:
    """Objects of the chart; arguments are further ones of ``helm template``."""
    rendered = helm("template", "voxgate", CHART, "--namespace", namespace, *arguments)
    assert rendered.returncode == 0, rendered.stderr
    return [document for document in yaml.safe_load_all(rendered.stdout) if document]


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind, by name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def dashboard_queries() -> list[str]:
    """PromQL of the dashboard's panels, with every engine selected."""
    panels = json.loads((CHART / "files/dashboard.json").read_text())["panels"]
    return [target["expr"].replace("$engine", ".*") for panel in panels for target in panel.get("targets", [])]
