"""The classic Fish-Speech API of a running gateway, with worker processes of the tone engine."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from support.classic_models import error_of
from support.gateway_process import Gateway, read_audio, start_gateway

pytestmark = pytest.mark.slow  # each test starts workers of its own

OWN = {"llama": {"precision": "float16"}}  # tone ignores the precision


def config(fish_api: dict[str, Any] | None = None, limits: dict[str, Any] | None = None, **tone: Any) -> dict[str, Any]:
    return {
        "port": 0,
        "default_engine": "tone",
        "engines": {"tone": {"backend": "tone", "load": "lazy", "backoff_s": 0.1, **tone}},
        "fish_api": {"engine": "tone", **(fish_api or {})},
        "limits": limits or {},
    }


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = start_gateway(tmp_path_factory.mktemp("classic"), config())
    yield running
    assert running.stop() == 0, running.log.read_text()


def workers(gateway: Gateway) -> list[psutil.Process]:
    return psutil.Process(gateway.process.pid).children()


def until_workers(gateway: Gateway, count: int, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while len(workers(gateway)) != count:
        assert time.monotonic() < deadline, (workers(gateway), gateway.log.read_text())
        time.sleep(0.02)


def invoke(gateway: Gateway, name: str = "default", **body: Any) -> httpx.Response:
    return gateway.client.post(f"/v1/models/{name}/invoke", json={"text": "hello", **body})


def test_first_request_loads_the_default_model(classic: Gateway) -> None:
    response = invoke(classic, seed=1)
    assert response.status_code == 200, response.text
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers
    samples, rate = read_audio(response.content)
    assert (len(samples), rate) == (6000, 24000)
    assert classic.client.put("/v1/models/default").json() == {"name": "default"}
    assert invoke(classic, seed=1).content == response.content


def test_loaded_model_has_its_own_process_until_deleted(classic: Gateway) -> None:
    invoke(classic)
    assert classic.client.put("/v1/models/mine", json=OWN).json() == {"name": "mine"}
    assert len(workers(classic)) == 2
    assert invoke(classic, "mine").headers["x-voxgate-engine"] == "fish:mine"
    assert classic.client.get("/v1/models").json()["models"] == ["default", "mine"]
    assert classic.client.get("/v1/engines/fish:mine").json()["state"] == "ready"
    assert classic.client.put("/v1/models/mine", json=OWN).status_code == 200
    assert len(workers(classic)) == 2, "it replaced the previous one"
    assert classic.client.delete("/v1/models/mine").json() == {"message": "Model deleted."}
    assert len(workers(classic)) == 1
    assert error_of(invoke(classic, "mine"), 404) == "Cannot find model."


def test_killed_worker_fails_its_request_and_restarts(classic: Gateway) -> None:
    invoke(classic)
    (base,) = workers(classic)
    classic.client.put("/v1/models/mine", json=OWN)
    (mine,) = set(workers(classic)) - {base}
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(invoke(classic, "mine", text="x" * 5000)))
    mine.suspend()
    asking.start()
    time.sleep(0.3)
    mine.kill()
    asking.join()
    assert "worker died" in error_of(answers[0], 500)
    assert invoke(classic).status_code == 200, "other models are not affected"
    deadline = time.monotonic() + 20
    while (response := invoke(classic, "mine")).status_code != 200:
        assert error_of(response, 503)
        assert int(response.headers["retry-after"]) >= 1
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert 'voxgate_worker_restarts_total{engine="fish:*"} 1.0' in classic.client.get("/metrics").text
    assert classic.client.delete("/v1/models/mine").status_code == 200
    assert workers(classic) == [base]


def test_failed_load_reports_the_reason_and_leaves_no_process(classic: Gateway) -> None:
    invoke(classic)
    before = workers(classic)
    # tone does not support `compile`; true, as the WebUI sends it, is the engine's default
    message = error_of(classic.client.put("/v1/models/mine", json={"llama": {"compile": False}}), 500)
    assert "fish:mine.model.compile: unknown key" in message
    until_workers(classic, len(before))
    assert workers(classic) == before
    assert classic.client.get("/v1/models").json()["models"] == ["default"]


def test_deleted_default_model_ends_its_process(classic: Gateway) -> None:
    invoke(classic)
    assert classic.client.delete("/v1/models/default").status_code == 200
    assert not workers(classic)
    assert error_of(classic.client.delete("/v1/models/default"), 400) == "Model not found."
    assert error_of(invoke(classic), 404) == "Cannot find model."
    assert classic.client.put("/v1/models/default", content=b"").status_code == 200
    assert invoke(classic).status_code == 200


def test_running_requests_finish_before_their_model_is_unloaded(classic: Gateway) -> None:
    base = set(workers(classic))
    classic.client.put("/v1/models/mine", json=OWN)
    answers: list[httpx.Response] = []
    text = "x" * 1000
    threads = [threading.Thread(target=lambda: answers.append(invoke(classic, "mine", text=text))) for _ in range(12)]
    (worker,) = set(workers(classic)) - base
    worker.suspend()
    for thread in threads:
        thread.start()
    while classic.client.get("/v1/engines/fish:mine").json()["queue"]["active"] < 8:
        time.sleep(0.01)
    worker.resume()
    assert classic.client.delete("/v1/models/mine").status_code == 200
    for thread in threads:
        thread.join()
    finished = [len(read_audio(answer.content)[0]) for answer in answers if answer.status_code == 200]
    assert len(finished) >= 8
    assert set(finished) == {len(text) * 1200}
    assert all(answer.status_code in (200, 404) for answer in answers), "requests after the deletion get 404"
    until_workers(classic, 1)


def test_silent_load_times_out(tmp_path: Path) -> None:
    gateway = start_gateway(tmp_path, config(load_timeout_s=1, model={"load_s": 300}))
    began_at = time.monotonic()
    assert "no message from the worker" in error_of(gateway.client.put("/v1/models/mine", json=OWN), 500)
    assert time.monotonic() - began_at < 30
    until_workers(gateway, 0)
    assert gateway.stop() == 0


def test_shutdown_during_a_load_is_clean(tmp_path: Path) -> None:
    gateway = start_gateway(tmp_path, config(limits={"drain_s": 1}, model={"load_s": 300}))
    url = httpx.URL(gateway.url)

    def put(name: str, body: bytes) -> socket.socket:
        connection = socket.create_connection((url.host, url.port))
        head = f"PUT /v1/models/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return connection

    leaver = put("mine", json.dumps(OWN).encode())
    until_workers(gateway, 1)
    leaver.close()
    waiter = put("default", b"")
    until_workers(gateway, 2)
    assert gateway.client.get("/v1/models").json()["models"] == ["default"], "it responds while a model loads"
    alive = workers(gateway)
    assert gateway.stop() == 0, gateway.log.read_text()
    waiter.close()
    _, left = psutil.wait_procs(alive, timeout=5)
    assert not left
    log = gateway.log.read_text()
    assert "never retrieved" not in log
    assert "was destroyed" not in log
