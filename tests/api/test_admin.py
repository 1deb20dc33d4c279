from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.app import in_memory

from gateway.engine.client import State
from gateway.engine.fake import FAKE_CAPABILITIES, FakeEngine
from gateway.errors import ConfigError
from gateway.service.auth import key_hash


async def test_engines_list_has_capabilities_and_state(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine("one"), FakeEngine("two", state=State.UNLOADED)], max_queue=9)
    listing = (await gateway.client.get("/v1/engines")).json()
    assert listing["default"] == "one"
    one, two = listing["engines"]
    assert (one["name"], one["state"], one["model"], one["sample_rate"]) == ("one", "ready", "fake-1", 24000)
    assert one["options_schema"] == FAKE_CAPABILITIES.options_schema
    assert one["voices"] == ["ada", "grace"]
    assert (one["device"], one["memory_bytes"]) == ("auto", None)
    assert one["queue"] == {"waiting": 0, "active": 0, "limit": 9}
    assert (two["name"], two["state"], two["model"]) == ("two", "unloaded", None)
    assert (await gateway.client.get("/v1/engines/two")).json() == two


async def test_engine_is_loaded_and_unloaded_by_name(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine("one", state=State.UNLOADED)])
    loading = await gateway.client.post("/v1/engines/one/load")
    assert (loading.status_code, loading.json()["state"]) == (202, "loading")
    unloaded = await gateway.client.post("/v1/engines/one/unload")
    assert (unloaded.status_code, unloaded.json()["state"]) == (200, "unloaded")
    assert (await gateway.client.post("/v1/engines/two/load")).status_code == 404


async def test_readiness_requires_the_default_engine(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine("one", state=State.LOADING), FakeEngine("two")])
    answer = await gateway.client.get("/health/ready")
    assert (answer.status_code, answer.json()["engines"]) == (503, {"one": "loading", "two": "ready"})
    assert (await gateway.client.get("/health/live")).status_code == 200
    gateway.engine.state = State.READY
    assert (await gateway.client.get("/health/ready")).status_code == 200


async def test_readiness_requires_every_eager_engine(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [FakeEngine("one"), FakeEngine("two", state=State.FAILED)], load="eager")
    assert (await gateway.client.get("/health/ready")).status_code == 503


async def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    await gateway.client.post("/tts", json={"text": "x"})
    await gateway.client.post("/tts", json={"text": ""})
    text = (await gateway.client.get("/metrics")).text
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["voxgate_requests_total", ("engine", "fake"), ("outcome", "ok")] == 1
    assert samples["voxgate_errors_total", ("type", "invalid_request")] == 1
    assert samples["voxgate_http_responses_total", ("route", "/tts"), ("status", "422")] == 1
    assert samples["voxgate_queue_depth", ("engine", "fake")] == 0
    assert samples["voxgate_time_to_first_audio_seconds_count", ("engine", "fake")] == 1
    assert samples["voxgate_queue_seconds_count", ("engine", "fake")] == 1
    assert samples["voxgate_realtime_factor_count", ("engine", "fake")] == 1
    assert samples["voxgate_engine_ready", ("engine", "fake")] == 1


async def test_paths_do_not_become_metric_labels(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    for path in ("/v1/engines/a", "/v1/engines/b", "/x/1", "/x/2"):
        await gateway.client.get(path)
    text = (await gateway.client.get("/metrics")).text
    assert 'route="/v1/engines/{name}",status="404"} 2.0' in text
    assert "/x/1" not in text


async def test_docs_page_has_examples_and_works_offline(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    schema = (await gateway.client.get("/openapi.json")).json()
    body = schema["paths"]["/tts"]["post"]["requestBody"]["content"]
    assert "multipart/form-data" in body
    assert len(body["application/json"]["examples"]) >= 3
    for example in body["application/json"]["examples"].values():
        response = await gateway.client.post("/tts", json={**example["value"], "engine": "fake"})
        assert response.status_code == 200, response.text
    page = (await gateway.client.get("/docs")).text
    assert "http://" not in page.replace("http://localhost", "")
    assert "https://" not in page


@pytest.mark.parametrize("root_path", ["/tts", "/v1", "/v1/speech", "/docs", "/health", "/model/a"])
def test_prefix_that_begins_like_a_route_is_refused(tmp_path: Path, root_path: str) -> None:
    with pytest.raises(ConfigError, match=f"root_path: {root_path} begins like the route /"):
        in_memory(tmp_path, settings={"root_path": root_path})


async def test_keys_and_cross_site_rules_apply_below_a_prefix(tmp_path: Path) -> None:
    access = {"keys": {"ann": {"sha256": key_hash("k" * 40)}}}
    gateway = in_memory(tmp_path, settings={"root_path": "/my/speech", "access": access})
    for prefix in ("", "/my/speech"):
        assert (await gateway.client.get(f"{prefix}/health")).status_code == 200
        assert (await gateway.client.get(f"{prefix}/tts?text=x")).status_code == 401
        assert (await gateway.client.post(f"{prefix}/tts", json={"text": "x"})).status_code == 401
        headers = {"x-api-key": "k" * 40}
        assert (await gateway.client.get(f"{prefix}/tts?text=x", headers=headers)).status_code == 200
        headers["sec-fetch-site"] = "cross-site"
        assert (await gateway.client.get(f"{prefix}/tts?text=x", headers=headers)).status_code == 403
