"""Requests that Schemathesis makes from the OpenAPI document, to a running gateway."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import api_hooks
import pytest
from hypothesis import settings
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
SHORT = ("--phases", "examples,fuzzing", "--max-examples", "1", "--seed", "1", "--generation-deterministic")
FULL = (
    "--phases",
    "examples,coverage,fuzzing",
    "--max-examples",
    "60",
    "--seed",
    os.environ.get("SEED", "1"),
    "--generation-database",
    "none",
)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with the voice and the dictionary that the hooks name."""
    running = start_gateway(tmp_path, TONE)
    wait_ready(running)
    voice = {"name": api_hooks.VOICE, "transcript": "One."}
    assert running.client.post("/v1/voices", data=voice, files={"audio": api_hooks.RECORDING}).status_code == 201
    lexicon = {"entries": {"nginx": "engine x"}}
    assert running.client.put(f"/v1/lexicons/{api_hooks.LEXICON}", json=lexicon).status_code == 201
    yield running
    assert running.stop() == 0


def test_every_response_is_documented_and_no_server_error(gateway: Gateway, tmp_path: Path) -> None:
    is_full = settings.get_current_profile_name() == "full"
    report = tmp_path / "report.json"
    program = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
    command = [sys.executable, "-c", program, "run", f"{gateway.url}/openapi.json", "--checks", ",".join(CHECKS)]
    command += ["--continue-on-failure", "--no-color", "--warnings", "off"]
    command += ["--report", "json", "--report-json-path", str(report), *(FULL if is_full else SHORT)]
    tests = Path(__file__).parent.parent
    env = {**os.environ, "PYTHONPATH": f"{tests}:{tests}/fuzz", "SCHEMATHESIS_HOOKS": "api_hooks"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["operations"]["tested"] == found["operations"]["total"] > 50
    assert found["operations"]["errored"] == found["test_cases"]["errored"] == 0
    assert found["test_cases"]["generated"] >= (2000 if is_full else 60)
    log = gateway.log.read_text()
    assert "unexpected error" not in log
    statuses = set(re.findall(r'"status": (\d+)', log))
    assert {"200", "201", "404", "422"} <= statuses  # the cases reach the engine and the stores
