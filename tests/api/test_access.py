from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fishaudio
import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from openai import AuthenticationError, OpenAI, RateLimitError
from starlette.routing import WebSocketRoute
from structlog.testing import capture_logs
from support.app import InMemory, in_memory
from support.gateway_process import TONE, Gateway, start_gateway, wait_ready
from support.socket import Socket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from backends.base import AudioChunk, Job
from gateway.cli.keys import MIN_CHARS
from gateway.cli.remote import find
from gateway.errors import ConfigError, RateLimited, Unauthorized
from gateway.service.auth import ApiKeys, key_hash
from gateway.settings import AccessSettings, ApiKey
from gateway.settings_sources import load_settings

KEY = "vox_" + "k" * 43
OTHER = "vox_" + "o" * 43


def with_keys(folder: Path, limits: dict[str, Any] | None = None, **further: Any) -> InMemory:
    """A gateway with two keys: `ann` is unlimited, `bob` has two requests a minute, one at a time."""
    access = {
        "keys": {
            "ann": {"sha256": key_hash(KEY)},
            "bob": {"sha256": key_hash(OTHER), "requests_per_minute": 2, "max_concurrent": 1},
        }
    }
    return in_memory(folder, limits=limits, settings={"access": access, **further})


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def speak(gateway: InMemory, headers: dict[str, str], path: str = "/tts") -> httpx.Response:
    return await gateway.client.post(path, json={"text": "x"}, headers=headers)


async def test_without_configured_keys_every_request_is_allowed(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    assert (await speak(gateway, {})).status_code == 200
    assert (await speak(gateway, bearer("whatever"))).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        bearer(KEY),
        {"Authorization": f"bearer  {KEY} "},
        {"X-API-Key": KEY},
        {"Authorization": "Basic x", "X-API-Key": KEY},
    ],
)
async def test_key_is_read_from_either_header(tmp_path: Path, headers: dict[str, str]) -> None:
    assert (await speak(with_keys(tmp_path), headers)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="voxgate"'),
        ({"Authorization": "Basic x"}, 'Bearer realm="voxgate"'),
        ({"Authorization": "Bearer "}, 'Bearer realm="voxgate"'),
        (bearer("wrong"), 'Bearer realm="voxgate", error="invalid_token"'),
        (bearer(KEY[:-1]), 'Bearer realm="voxgate", error="invalid_token"'),
        (bearer(key_hash(KEY)), 'Bearer realm="voxgate", error="invalid_token"'),
        ({**bearer("wrong"), "X-API-Key": KEY}, 'Bearer realm="voxgate", error="invalid_token"'),
        ({"X-API-Key": "schlüssel"}, 'Bearer realm="voxgate", error="invalid_token"'),
    ],
)
async def test_missing_or_invalid_key_is_401_without_side_effects(
    tmp_path: Path, headers: dict[str, str], challenge: str
) -> None:
    gateway = with_keys(tmp_path)
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    response = await gateway.client.post("/tts", json={"text": "x"}, headers=encoded)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == challenge
    assert response.json()["error"]["type"] == "unauthorized"
    assert gateway.engine.jobs == []
    assert gateway.metric("voxgate_key_requests_total", key="", outcome="unauthorized") == 1


PUBLIC = {"/health", "/health/live", "/health/ready", "/v1/health", "/ping", "/metrics", "/docs/", "/docs/json"}
PUBLIC |= {"/", "/docs", "/docs/oauth2-redirect", "/openapi.json", "/ui"}


def routes_of(router: Any) -> Iterator[Any]:
    """All routes of the application, including those of nested routers."""
    for route in router.routes:
        if hasattr(route, "original_router"):
            yield from routes_of(route.original_router)
        else:
            yield route


async def test_every_route_but_probes_metrics_and_docs_requires_a_key(tmp_path: Path) -> None:
    running = with_keys(tmp_path)
    checked = set()
    for route in routes_of(running.app.router):
        path = re.sub("[{}]", "", route.path)
        for method in getattr(route, "methods", ()):
            response = await running.client.request(method, path)
            if route.path in PUBLIC:
                assert response.status_code < 400, (method, path)
            else:
                assert response.status_code == 401, (method, path)
            checked.add(route.path)
    assert checked > PUBLIC
    assert len(checked) > 30


async def test_websocket_without_key_is_rejected_in_the_handshake(tmp_path: Path) -> None:
    running = with_keys(tmp_path)
    paths = [route.path for route in routes_of(running.app.router) if isinstance(route, WebSocketRoute)]
    assert len(paths) == 4
    for path in paths:
        await check_websocket_is_refused(running.app, path)


async def check_websocket_is_refused(app: FastAPI, path: str) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"x-api-key", b"wrong")],
        "scheme": "ws",
        "server": ("gateway", 80),
        "client": None,
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)
    assert sent[0]["type"] == "websocket.http.response.start"
    assert sent[0]["status"] == 401
    assert (b"www-authenticate", b'Bearer realm="voxgate", error="invalid_token"') in sent[0]["headers"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/tts", ("error", "message")),
        ("/invocations", ("error", "message")),
        ("/v1/audio/speech", ("error", "message")),
        ("/v1/tts", ("message",)),
        ("/v1/models/default/invoke", ("message",)),
    ],
)
async def test_refusal_has_the_envelope_of_its_api(tmp_path: Path, path: str, where: tuple[str, ...]) -> None:
    refused = await speak(with_keys(tmp_path), {}, path)
    assert refused.status_code == 401
    message = refused.json()
    assert ("error" in message) == (path != "/v1/tts")
    for key in where:
        message = message[key]
    assert message.startswith("missing API key")


async def test_public_paths_are_configurable(tmp_path: Path) -> None:
    access = {"keys": {"ann": {"sha256": key_hash(KEY)}}, "open": ["/v1/voices"]}
    gateway = in_memory(tmp_path, settings={"access": access})
    assert (await gateway.client.get("/metrics")).status_code == 401
    assert (await gateway.client.get("/metrics", headers=bearer(KEY))).status_code == 200
    assert (await gateway.client.get("/v1/voices")).status_code == 200
    assert (await gateway.client.get("/v1/engines")).status_code == 401
    assert (await gateway.client.post("/v1/voices", files={"name": (None, "x")})).status_code == 401


async def test_requests_over_the_rate_limit_are_429(tmp_path: Path) -> None:
    gateway = with_keys(tmp_path)
    for _ in range(2):
        assert (await speak(gateway, bearer(OTHER))).status_code == 200
    refused = await speak(gateway, bearer(OTHER))
    assert refused.status_code == 429
    assert 29 <= int(refused.headers["retry-after"]) <= 30
    assert refused.json()["error"]["type"] == "rate_limited"
    assert "2 requests a minute" in refused.json()["error"]["message"]
    assert (await speak(gateway, bearer(KEY))).status_code == 200
    for outcome, count in (("ok", 2), ("rate_limited", 1)):
        assert gateway.metric("voxgate_key_requests_total", key="bob", outcome=outcome) == count


def test_bucket_refills_steadily_and_refusals_take_no_token() -> None:
    now = 0.0
    settings = AccessSettings(keys={"bob": ApiKey(sha256=key_hash(OTHER), requests_per_minute=6)})
    bob = ApiKeys(settings, clock=lambda: now).authenticate(OTHER)

    def tries(count: int) -> int:
        passed = 0
        for _ in range(count):
            with contextlib.suppress(RateLimited):
                bob.acquire().release()
                passed += 1
        return passed

    assert tries(20) == 6
    now = 9.0
    assert tries(5) == 0
    with pytest.raises(RateLimited) as refused:
        bob.acquire()
    assert refused.value.retry_after_s == pytest.approx(1.0)
    now = 10.0
    assert tries(5) == 1
    now = 10_000.0
    assert tries(20) == 6


async def test_requests_over_the_concurrency_limit_are_429(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def slowly(job: Job) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(job.id, np.zeros(240, np.float32))
        await go_on.wait()

    gateway = with_keys(tmp_path)
    gateway.engine.script = slowly
    first = asyncio.create_task(speak(gateway, bearer(OTHER)))
    while not gateway.engine.jobs:
        await asyncio.sleep(0.01)
    second = await speak(gateway, bearer(OTHER))
    assert second.status_code == 429
    assert second.headers["retry-after"] == "1"
    go_on.set()
    assert (await first).status_code == 200
    assert (await speak(gateway, bearer(OTHER))).status_code == 200


async def test_request_refused_by_another_limit_takes_no_token(tmp_path: Path) -> None:
    gateway = with_keys(tmp_path, limits={"body_bytes": 1024})
    for _ in range(5):
        answer = await gateway.client.post("/tts", content=b"x" * 2000, headers=bearer(OTHER))
        assert answer.status_code == 413
    assert (await speak(gateway, bearer(OTHER))).status_code == 200


async def test_public_paths_take_no_token(tmp_path: Path) -> None:
    gateway = with_keys(tmp_path)
    for path in ("/docs", "/docs/", "/openapi.json", "/static-offline-docs/swagger-ui.css", "/health/live") * 2:
        assert (await gateway.client.get(path, headers=bearer(OTHER))).status_code < 400
    assert gateway.metric("voxgate_key_requests_total", key="bob", outcome="ok") == 0
    assert (await speak(gateway, bearer(OTHER))).status_code == 200


@pytest.mark.parametrize("root_path", ["/health", "/ping", "/metrics"])
async def test_root_path_of_a_proxy_does_not_make_paths_public(tmp_path: Path, root_path: str) -> None:
    gateway = with_keys(tmp_path)
    transport = httpx.ASGITransport(gateway.app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert (await client.post(f"{root_path}/tts", json={"text": "x"})).status_code == 401
        assert (await client.get(f"{root_path}/health/live")).status_code == 200
    assert gateway.engine.jobs == []


async def test_logs_have_the_name_of_the_key_and_not_the_key(tmp_path: Path) -> None:
    gateway = with_keys(tmp_path)
    with capture_logs() as lines:
        for headers in (bearer(KEY), {"X-API-Key": KEY}, bearer("wrong-key-of-another-user"), {}):
            await speak(gateway, headers)
    assert [line.get("key") for line in lines if line["event"] == "request"] == ["ann", "ann", None, None]
    metrics = (await gateway.client.get("/metrics")).text
    assert 'voxgate_key_requests_total{key="ann",outcome="ok"} 2.0' in metrics
    for text in (repr(lines), metrics):
        assert KEY not in text
        assert key_hash(KEY) not in text
        assert "wrong-key" not in text


def test_only_the_exact_key_authenticates() -> None:
    keys = ApiKeys(AccessSettings(keys={"ann": ApiKey(sha256=key_hash(KEY))}))
    assert keys.authenticate(KEY).name == "ann"
    for wrong in ("", KEY + " ", KEY.upper(), key_hash(KEY)):
        with pytest.raises(Unauthorized):
            keys.authenticate(wrong)


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("access: {keys: {ann: {sha256: vox_plain}}}", "access.keys.ann.sha256: "),
        ("access: {keys: {Ann!: {sha256: %s}}}", "invalid key name 'Ann!'"),
        ("access: {keys: {a: {sha256: %s}, b: {sha256: %s}}}", "access: keys: a and b have the same hash"),
        ("access: {open: [metrics]}", "access.open.0: String should match pattern '^/'"),
        ("cors: {origins: [example.com]}", "cors.origins.0: String should match"),
        ("cors: {origins: ['https://example.com/']}", "cors.origins.0: String should match"),
        ("cors: {origins: ['*']}", "cors.origins: * needs access.keys"),
    ],
)
def test_invalid_setting_is_named(tmp_path: Path, block: str, complaint: str) -> None:
    path = tmp_path / "c.yaml"
    block = block.replace("%s", key_hash(KEY))
    path.write_text("default_engine: a\nengines: {a: {backend: tone}}\n" + block + "\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert complaint in str(caught.value)
    assert "vox_plain" not in str(caught.value)


def test_key_can_be_set_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXGATE_ACCESS__KEYS__ANN__SHA256", key_hash(KEY))
    monkeypatch.setenv("VOXGATE_ACCESS__KEYS__ANN__REQUESTS_PER_MINUTE", "5")
    assert load_settings().access.keys == {"ann": ApiKey(sha256=key_hash(KEY), requests_per_minute=5)}


PAGE = "https://app.example.com"


async def preflight(gateway: InMemory, origin: str) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    return await gateway.client.options("/tts", headers={"Origin": origin, **asked})


async def test_cross_site_requests_are_refused_unless_origin_is_configured(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path / "a")
    refused = await speak(gateway, {"Origin": PAGE})
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "cross_site")
    assert "access-control-allow-origin" not in refused.headers
    assert (await preflight(gateway, PAGE)).status_code == 405

    gateway = in_memory(tmp_path / "b", settings={"cors": {"origins": [PAGE]}})
    allowed = await speak(gateway, {"Origin": PAGE})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert "X-Voxgate-Seed" in allowed.headers["access-control-expose-headers"]
    asked = await preflight(gateway, PAGE)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in asked.headers["access-control-allow-headers"]
    for origin in ("https://evil.example.com", "http://app.example.com", "null", f"{PAGE}.evil.com"):
        assert (await speak(gateway, {"Origin": origin})).status_code == 403
        assert (await preflight(gateway, origin)).status_code == 400


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8000",
        "127.0.0.1:8000",
        "192.168.0.7",
        "[::1]:8000",
        "voxgate.localhost",
        "evil.example",
        "gateway:80",
    ],
)
async def test_without_keys_a_host_name_is_not_same_site(tmp_path: Path, host: str) -> None:
    """DNS rebinding: a page of evil.example, whose name now resolves to this machine."""
    is_named = host in ("evil.example", "gateway:80")
    own = {"Host": host, "Origin": f"http://{host}"}
    answer = await speak(in_memory(tmp_path / "a"), own)
    assert answer.status_code == (403 if is_named else 200)
    async with Socket(in_memory(tmp_path / "b").app, headers={"Origin": "http://gateway"}) as socket:
        assert socket.denial is not None
        assert socket.denial[0] == 403
    configured = in_memory(tmp_path / "c", settings={"cors": {"origins": [f"http://{host}"]}})
    assert (await speak(configured, own)).status_code == 200
    assert (await speak(with_keys(tmp_path / "d"), {**own, **bearer(KEY)})).status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//", "null", "http://", ""])
async def test_malformed_origin_is_not_trusted(tmp_path: Path, origin: str) -> None:
    status = 403 if origin else 200
    assert (await speak(in_memory(tmp_path / "a"), {"Origin": origin})).status_code == status
    assert (await speak(with_keys(tmp_path / "b"), {"Origin": origin, **bearer(KEY)})).status_code == status


async def test_preflight_needs_no_key_and_errors_have_cors_headers(tmp_path: Path) -> None:
    gateway = with_keys(tmp_path, cors={"origins": ["*"]})
    assert (await preflight(gateway, PAGE)).status_code == 200
    refused = await speak(gateway, {"Origin": PAGE})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "*"
    assert (await speak(gateway, {"Origin": PAGE, **bearer(KEY)})).status_code == 200


def voxgate(*arguments: str, status: int = 0, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, input=stdin, env={**os.environ, **env})
    assert result.returncode == status, result.stdout + result.stderr
    return result


def test_new_key_authenticates_and_commands_send_it(tmp_path: Path) -> None:
    made = dict(line.split(": ") for line in voxgate("key", "new", "ann").stdout.splitlines())
    assert len(made["key"]) == len("vox_") + 43
    assert voxgate("key", "hash", stdin=made["key"] + "\n").stdout.strip() == made["sha256"]
    assert voxgate("key", "new").stdout.splitlines()[0] != f"key: {made['key']}"
    gateway = start_gateway(tmp_path, {**TONE, "access": {"keys": {"ann": {"sha256": made["sha256"]}}}})
    try:
        wait_ready(gateway)
        at = ("--server", gateway.url)
        assert "missing API key" in voxgate("engines", *at, status=1).stderr.replace("\n", " ")
        assert "tone" in voxgate("engines", *at, "--api-key", made["key"]).stdout
        assert "invalid API key" in voxgate("voices", "list", *at, status=1, VOXGATE_API_KEY="x" * 30).stderr
        voxgate("say", "hi", "-o", str(tmp_path / "x.wav"), *at, VOXGATE_API_KEY=made["key"])
        assert made["key"] not in gateway.log.read_text()
    finally:
        assert gateway.stop() == 0


def test_short_keys_are_not_hashed() -> None:
    result = voxgate("key", "hash", stdin="x" * (MIN_CHARS - 1) + "\n", status=2)
    assert "random characters" in result.stderr
    assert result.stdout == ""


def test_keys_with_ambiguous_encoding_are_not_hashed() -> None:
    for key in ("ü" * MIN_CHARS, "x" * MIN_CHARS + "\x07"):
        result = voxgate("key", "hash", stdin=key + "\n", status=2)
        assert "ASCII" in result.stderr
        assert result.stdout == ""


def test_probe_of_the_default_address_does_not_send_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOXGATE_SERVER", raising=False)
    monkeypatch.setattr("gateway.cli.remote.candidates", list)  # others may run on this machine
    received: list[tuple[str, str | None]] = []
    health = {"service": "something else"}

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append((self.path, self.headers["Authorization"]))
            body = json.dumps(health).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert find(None, address, KEY) is None
        health["service"] = "voxgate"
        found = find(None, address, KEY)
        assert found is not None
        assert {key for _, key in received} == {None}
        found.request("GET", "/v1/engines")
        assert received[-1] == ("/v1/engines", f"Bearer {KEY}")
        found.close()
        server.shutdown()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running gateway: `ann` is unlimited, `bob` has one request at a time, `carl` and `dora` one a minute."""
    hashes = {name: {"sha256": key_hash(name * 10)} for name in ("ann", "bob", "carl", "dora")}
    hashes["bob"]["max_concurrent"] = 1
    hashes["carl"]["requests_per_minute"] = hashes["dora"]["requests_per_minute"] = 1
    running = start_gateway(tmp_path_factory.mktemp("guarded"), {**TONE, "access": {"keys": hashes}})
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def openai_client(gateway: Gateway, key: str) -> OpenAI:
    return OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, http_client=httpx.Client(trust_env=False))


def test_openai_client_raises_its_own_exceptions(guarded: Gateway) -> None:
    words = {"model": "tone", "voice": "alloy", "input": "hi"}
    with openai_client(guarded, "wrong" * 10) as client, pytest.raises(AuthenticationError) as refused:
        client.audio.speech.create(**words)
    assert refused.value.code == "invalid_api_key"
    with openai_client(guarded, "carl" * 10) as client:
        assert client.audio.speech.create(**words).content
        with pytest.raises(RateLimitError) as limited:
            client.audio.speech.create(**words)
    assert 1 <= int(limited.value.response.headers["retry-after"]) <= 60


def test_fish_audio_client_raises_its_own_exceptions(guarded: Gateway) -> None:
    def speak_as(key: str) -> bytes:
        with fishaudio.FishAudio(api_key=key * 10, base_url=guarded.url) as client:
            return client.tts.convert(text="hi")

    with pytest.raises(fishaudio.exceptions.AuthenticationError, match="invalid API key"):
        speak_as("wrong")
    assert guarded.client.post("/v1/tts", json={"text": "hi"}, headers=bearer("dora" * 10)).status_code == 200
    with pytest.raises(fishaudio.exceptions.RateLimitError, match="a minute"):
        speak_as("dora")
    assert speak_as("ann")


def test_websocket_needs_a_key_and_holds_a_permit(guarded: Gateway) -> None:
    address = guarded.url.replace("http://", "ws://") + "/tts/stream"
    with pytest.raises(InvalidStatus) as refused, connect(address, proxy=None):
        pass
    assert refused.value.response.status_code == 401
    assert b'"unauthorized"' in refused.value.response.body
    bob = {"X-API-Key": "bob" * 10}
    with connect(address, proxy=None, additional_headers=bob):
        assert guarded.client.post("/tts", json={"text": "hi"}, headers=bob).status_code == 429
    deadline = time.monotonic() + 5
    while guarded.client.post("/tts", json={"text": "hi"}, headers=bob).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_stream_holds_its_permit_until_its_end(guarded: Gateway) -> None:
    bob = bearer("bob" * 10)
    body = {"text": "x" * 20, "stream": True, "options": {"step_s": 0.1}}
    with guarded.client.stream("POST", "/tts", json=body, headers=bob) as response:
        audio = response.iter_raw()
        next(audio)
        assert guarded.client.post("/tts", json={"text": "hi"}, headers=bob).status_code == 429
        for _ in audio:
            pass
    assert guarded.client.post("/tts", json={"text": "hi"}, headers=bob).status_code == 200
