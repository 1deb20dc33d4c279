"""API keys in the subprotocols of a WebSocket, the only header that browsers let a page set."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs
from support.app import InMemory, in_memory
from support.live_text import started
from support.socket import Socket

from gateway.service.auth import key_hash

KEY = "vox_" + "k" * 43
UNUSUAL = 'a key (with) "separators", 100% = /ascii/;'
PATHS = ["/tts/stream", "/v1/tts/live", "/v1/tts/live/with-timestamp", "/invocations-bidirectional-stream"]


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    keys = {"ann": {"sha256": key_hash(KEY)}, "bob": {"sha256": key_hash(UNUSUAL), "max_concurrent": 1}}
    return in_memory(tmp_path, settings={"access": {"keys": keys}})


def offering(gateway: InMemory, *protocols: str, path: str = "/tts/stream", **headers: str) -> Socket:
    return Socket(gateway.app, path, {**headers, "Sec-WebSocket-Protocol": ", ".join(protocols)})


@pytest.mark.parametrize("path", PATHS)
async def test_key_in_a_subprotocol_is_accepted_and_not_sent_back(gateway: InMemory, path: str) -> None:
    with capture_logs() as logs:
        async with offering(gateway, f"voxgate.key.{KEY}", "voxgate", path=path) as socket:
            assert socket.denial is None
            assert socket.subprotocol == "voxgate"
            assert socket.accepted is not None
            assert KEY not in str(socket.accepted)
    assert [line["key"] for line in logs if line["event"] == "request"] == ["ann"]
    assert KEY not in str(logs)


async def test_percent_encoded_key_is_decoded_and_its_limits_apply(gateway: InMemory) -> None:
    protocols = ("voxgate", f"voxgate.key.{quote(UNUSUAL, safe='')}")
    async with offering(gateway, *protocols) as socket:
        assert (await started(socket))["type"] == "started"
        async with offering(gateway, *protocols) as second:
            assert second.denial is not None
            assert second.denial[0] == 429


@pytest.mark.parametrize(
    "protocols",
    [("voxgate",), ("voxgate", "voxgate.key."), ("voxgate", f"voxgate.key.{KEY[:-1]}"), ("voxgate.key.%ff",)],
)
async def test_missing_or_invalid_key_in_a_subprotocol_is_401(gateway: InMemory, protocols: tuple[str, ...]) -> None:
    async with offering(gateway, *protocols) as socket:
        assert socket.denial is not None
        assert socket.denial[0] == 401


async def test_header_with_a_key_takes_precedence(gateway: InMemory) -> None:
    async with offering(gateway, "voxgate", f"voxgate.key.{KEY}", Authorization="Bearer wrong") as socket:
        assert socket.denial is not None


async def test_subprotocol_of_an_http_request_is_not_a_key(gateway: InMemory) -> None:
    headers = {"Sec-WebSocket-Protocol": f"voxgate.key.{KEY}"}
    assert (await gateway.client.get("/v1/engines", headers=headers)).status_code == 401


@pytest.mark.parametrize("protocols", [(), ("graphql-ws",), (f"voxgate.key.{KEY}",)])
async def test_without_the_offer_of_voxgate_no_subprotocol_is_selected(
    tmp_path: Path, protocols: tuple[str, ...]
) -> None:
    async with offering(in_memory(tmp_path), *protocols) as socket:
        assert socket.accepted is not None
        assert socket.subprotocol is None
