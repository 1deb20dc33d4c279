"""A list of endpoints in HF_ENDPOINT moves into the configuration."""

from __future__ import annotations

import subprocess
import sys

from backends.base import EngineConfig
from backends.hub import HubSettings
from backends.worker.environment import move_endpoint_list

CONFIG = EngineConfig("x", hub={"attempts": 2, "endpoints": ["https://configured.example"]})


def test_endpoint_list_moves_into_the_configuration() -> None:
    environ = {"HF_ENDPOINT": "https://one.example, http://127.0.0.1:8090", "HF_TOKEN": "t", "HOME": "/h"}
    before = HubSettings.from_environment(CONFIG.hub, environ)
    moved = move_endpoint_list(CONFIG, environ)
    assert "HF_ENDPOINT" not in environ
    assert HubSettings.from_environment(moved.hub, environ) == before
    assert [endpoint.url for endpoint in before.endpoints] == ["https://one.example", "http://127.0.0.1:8090"]


def test_single_endpoint_stays_in_the_environment() -> None:
    for value in ("https://one.example", "https://one.example,", " ,https://one.example ", ""):
        environ = {"HF_ENDPOINT": value}
        assert move_endpoint_list(CONFIG, environ) is CONFIG
        assert environ == {"HF_ENDPOINT": value.strip(" ,")}, "without what only a list has"
    environ = {"HF_ENDPOINT": ","}
    assert move_endpoint_list(CONFIG, environ) is CONFIG
    assert not environ


def test_huggingface_hub_is_importable_after_the_move() -> None:
    code = """
import os
from backends.base import EngineConfig
from backends.worker.environment import move_endpoint_list
move_endpoint_list(EngineConfig("x"), os.environ)
import huggingface_hub
print("imported")
"""
    environment = {"HF_ENDPOINT": "http://127.0.0.1:1,http://127.0.0.1:2", "PATH": "/usr/bin:/bin"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == "imported", run.stderr
