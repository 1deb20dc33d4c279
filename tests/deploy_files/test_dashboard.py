"""The dashboard, the alert rules and the autoscaling query: names, syntax, and values from a scraped gateway."""

from __future__ import annotations

import math
import re
import runpy
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from support.deploy_tools import CHART, EXAMPLE, ROOT, dashboard_queries, of_kind, render, tool
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready
from websockets.sync.client import connect

from gateway.api.common.errors import STATUS
from gateway.errors import EngineUnavailable, GatewayError
from gateway.metrics import Metrics
from gateway.service.auth import key_hash

KEY = "vox_of-the-test-of-the-dashboard"
SHARED = [f"--set=storage.{volume}.accessMode=ReadWriteMany" for volume in ("data", "cache")]
SUFFIXES = re.compile("_(bucket|count|sum|total)$")


def exported() -> set[str]:
    """Names of the gateway's metrics, without the suffix of counters."""
    return {metric.name for metric in Metrics().registry.collect()}


def named(queries: list[str]) -> set[str]:
    return {SUFFIXES.sub("", name) for query in queries for name in re.findall(r"voxgate_\w+", query)}


def alert_rules() -> list[dict[str, str]]:
    (group,) = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    rules: list[dict[str, str]] = group["rules"]
    return rules


def test_dashboard_shows_exactly_the_metrics_that_the_gateway_exports() -> None:
    assert named(dashboard_queries()) == exported()


def test_dashboard_file_is_what_its_script_writes() -> None:
    pytest.importorskip("grafana_foundation_sdk")
    written = runpy.run_path(str(ROOT / "scripts/dashboard.py"))
    assert (CHART / "files/dashboard.json").read_text() == written["text"]()


def test_alert_rules_name_metrics_and_error_types_of_the_gateway() -> None:
    expressions = [rule["expr"] for rule in alert_rules()]
    assert named(expressions) <= exported()
    (outcomes,) = re.findall(r'outcome=~"([^"]+)"', " ".join(expressions))
    types = {kind.type: status for kind, status in STATUS.items()}
    faults = {name for name, status in types.items() if status >= 500 or name == "queue_full"}
    assert set(outcomes.split("|")) == faults - {"config_error", "insufficient_storage"}, "speech has no other outcomes"
    assert {GatewayError.type, EngineUnavailable.type} <= faults


def test_alert_rules_pass_promtools_unit_tests(tmp_path: Path) -> None:
    shutil.copy(CHART / "files/alerts.yaml", tmp_path)
    shutil.copy(Path(__file__).parent / "alerts_test.yaml", tmp_path)
    tested = subprocess.run(
        [tool("promtool"), "test", "rules", tmp_path / "alerts_test.yaml"], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    tests = yaml.safe_load((tmp_path / "alerts_test.yaml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert fired == {rule["alert"] for rule in alert_rules()}


def test_compose_files_of_prometheus_pass_promtool(tmp_path: Path) -> None:
    shutil.copy(CHART / "files/alerts.yaml", tmp_path)
    shutil.copy(ROOT / "deploy/compose/prometheus.yaml", tmp_path)
    checked = subprocess.run(
        [tool("promtool"), "check", "config", tmp_path / "prometheus.yaml"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.fixture
def scraped(tmp_path: Path) -> Iterator[tuple[Gateway, httpx.Client]]:
    """A gateway, and a client of the Prometheus that scrapes it every 0.2 s as a pod of the chart."""
    tool("prometheus")
    gateway = start_gateway(tmp_path, {**TONE, "access": {"keys": {"ann": {"sha256": key_hash(KEY)}}}})
    target = {
        "targets": [gateway.url.removeprefix("http://")],
        "labels": {"namespace": "speech", "pod": "voxgate-f5-7c9-x2x"},
    }
    config = {
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
        "scrape_configs": [{"job_name": "voxgate", "static_configs": [target]}],
    }
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    log = tmp_path / "prometheus.log"
    with log.open("w") as stream:
        prometheus = subprocess.Popen(
            [
                tool("prometheus"),
                f"--config.file={tmp_path}/prometheus.yaml",
                f"--storage.tsdb.path={tmp_path}/tsdb",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=stream,
        )
    try:
        deadline = time.monotonic() + 30
        while not (listening := re.search(r'msg="Listening on" address=(\S+)', log.read_text())):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        wait_ready(gateway)
        with httpx.Client(base_url=f"http://{listening[1]}", trust_env=False) as client:
            yield gateway, client
    finally:
        prometheus.terminate()
        prometheus.wait(20)
        gateway.stop()


def use(gateway: Gateway) -> None:
    """Cause something in every metric: speech, an error, a request without a key, an interrupted live session."""
    headers = {"Authorization": f"Bearer {KEY}"}
    assert gateway.client.post("/tts", json={"text": "Hello"}, headers=headers).status_code == 200
    assert gateway.client.post("/tts", json={"text": ""}, headers=headers).status_code == 422
    assert gateway.client.post("/tts", json={"text": "Hello"}).status_code == 401
    with connect(gateway.url.replace("http", "ws") + "/tts/stream", additional_headers=headers) as live:
        for message in ('{"type": "start"}', '{"type": "interrupt"}', '{"type": "end"}'):
            live.send(message)
        assert any('"finished"' in message for message in live if isinstance(message, str))


def has_values(prometheus: httpx.Client, query: str) -> bool:
    answer = prometheus.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", answer
    return any(not math.isnan(float(one["value"][1])) for one in answer["data"]["result"])


def adapter_query() -> str:
    """The query of prometheus-adapter for the chart's pods, by the rule in docs/deployment.md."""
    (block,) = re.findall(r"^```yaml\n(rules:\n.*?)^```", (ROOT / "docs/deployment.md").read_text(), re.M | re.S)
    (rule,) = yaml.safe_load(block)["rules"]["custom"]
    scaler = of_kind(render("--set=sets.cpu.autoscaling.kind=custom-metrics", *SHARED), "HorizontalPodAutoscaler")
    (metric,) = scaler["voxgate-cpu"]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    query: str = rule["metricsQuery"].replace("<<.GroupBy>>", "pod")
    return query.replace("<<.LabelMatchers>>", 'namespace="speech",pod=~"voxgate-.+"')


@pytest.mark.slow
def test_every_query_has_values_from_a_scraped_gateway(scraped: tuple[Gateway, httpx.Client]) -> None:
    gateway, prometheus = scraped
    queries = [query.replace("$__rate_interval", "30s") for query in dashboard_queries()]
    (scaled,) = of_kind(render(f"--values={EXAMPLE}"), "ScaledObject").values()
    queries.append(scaled["spec"]["triggers"][0]["metadata"]["query"])
    queries.append(adapter_query())
    assert len(queries) > 20
    deadline = time.monotonic() + 60
    while queries:
        use(gateway)
        queries = [query for query in queries if not has_values(prometheus, query)]
        assert time.monotonic() < deadline, queries
