"""DNS rebinding: a page of evil.example, whose name now resolves to this machine, reads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount
from support.app import in_memory
from support.socket import Socket

from gateway.api.common.hosts import TrustedHosts
from gateway.service.auth import key_hash
from gateway.settings_sources import load_settings

EVIL = {"host": "evil.example:8000"}
KEYS = {"access": {"keys": {"ann": {"sha256": key_hash("k" * 22)}}}}


async def test_every_route_refuses_an_unknown_host(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    seen = 0
    for route in gateway.app.routes:
        for method in getattr(route, "methods", ()) or (("GET",) if isinstance(route, Mount) else ()):
            path = route.path + ("/" if isinstance(route, Mount) else "")  # type: ignore[attr-defined]
            answer = await gateway.client.request(method, path, headers=EVIL)
            assert answer.status_code == 403, (method, path)
            if method != "HEAD":
                assert "access.hosts" in answer.text, (method, path)
            seen += 1
    assert seen > 60
    for path in ("/tts/stream", "/v1/tts/live", "/invocations-bidirectional-stream"):
        async with Socket(gateway.app, path, host="evil.example") as socket:
            assert socket.denial is not None
            assert socket.denial[0] == 403


async def test_refusal_has_the_envelope_of_its_api(tmp_path: Path) -> None:
    client = in_memory(tmp_path).client
    native = (await client.get("/v1/voices", headers=EVIL)).json()["error"]
    assert (native["type"], native["param"]) == ("forbidden", None)
    assert "unknown host 'evil.example:8000'" in native["message"]
    assert (await client.get("/v1/audio/voices", headers=EVIL)).json()["error"]["code"] == "forbidden"
    assert (await client.get("/model", headers=EVIL)).json()["status"] == 403


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("localhost", True),
        ("LocalHost:8000", True),
        ("ui.localhost:1", True),
        ("127.0.0.1:8000", True),
        ("10.1.2.3", True),
        ("[::1]:8000", True),
        ("[fd00::1]", True),
        ("", True),
        ("speech.example.com:443", True),
        ("Speech.Example.com", True),
        ("a.svc.cluster.local", True),
        ("svc.cluster.local", False),
        ("example.com", False),
        ("other.example.com", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example#localhost", False),
        ("localhost@evil.example", False),
        ("[", False),
        (":8000", False),
    ],
)
def test_trusted_hosts(host: str, trusted: bool) -> None:
    assert TrustedHosts(["Speech.example.com", "*.svc.cluster.local", ""]).trusts(host) is trusted


@pytest.mark.parametrize(
    "settings",
    [
        {"access": {"hosts": ["evil.example"]}},
        {"access": {"hosts": ["*.example"]}},
        {"access": {"hosts": ["*"]}},
        {"cors": {"origins": ["http://evil.example:8000"]}},
        {"host": "evil.example"},
    ],
)
async def test_configured_names_may_be_used_by_pages_of_their_own(tmp_path: Path, settings: dict[str, Any]) -> None:
    client = in_memory(tmp_path, settings=settings).client
    assert (await client.get("/v1/voices", headers=EVIL)).status_code == 200
    own = await client.delete("/v1/voices/nobody", headers={**EVIL, "origin": "http://evil.example:8000"})
    assert own.status_code == 404
    if "cors" not in settings:
        foreign = await client.delete("/v1/voices/nobody", headers={**EVIL, "origin": "http://other.example"})
        assert foreign.json()["error"]["type"] == "cross_site"


async def test_with_keys_any_host_is_served(tmp_path: Path) -> None:
    client = in_memory(tmp_path, settings=KEYS).client
    assert (await client.get("/health", headers=EVIL)).status_code == 200
    assert (await client.get("/v1/voices", headers=EVIL)).status_code == 401
    allowed = await client.get("/v1/voices", headers={**EVIL, "x-api-key": "k" * 22})
    assert allowed.status_code == 200


def test_sagemaker_may_name_any_host(tmp_path: Path) -> None:
    assert load_settings(model_dir=tmp_path).access.hosts == ("*",)
    assert load_settings().access.hosts == ()
