from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.app import InMemory, in_memory
from support.socket import Socket

from gateway import errors
from gateway.api.common.errors import STATUS
from gateway.errors import GatewayError


def tree(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_every_error_has_a_status() -> None:
    assert set(tree(GatewayError)) == set(STATUS)


def test_error_types_are_unique() -> None:
    types = [kind.type for kind in tree(GatewayError)]
    assert len(set(types)) == len(types)
    assert all(name == name.lower() and name.replace("_", "").isalpha() for name in types)


@pytest.mark.parametrize("kind", list(tree(GatewayError)))
def test_error_is_in_the_tree_of_the_module_docstring(kind: type[GatewayError]) -> None:
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__


# ---- shutdown


@pytest.fixture
def ending(tmp_path: Path) -> InMemory:
    gateway = in_memory(tmp_path)
    gateway.app.state.services.live.draining.set()
    return gateway


@pytest.mark.parametrize(
    ("path", "where", "type_"),
    [
        ("/tts", ("error", "type"), "engine_unavailable"),
        ("/invocations", ("error", "type"), "engine_unavailable"),
        ("/v1/audio/speech", ("error", "code"), "engine_unavailable"),
        ("/v1/tts", ("message",), "the gateway is shutting down"),
    ],
)
async def test_request_during_shutdown_is_503(ending: InMemory, path: str, where: tuple[str, ...], type_: str) -> None:
    refused = await ending.client.post(path, json={"text": "x", "input": "x"})
    assert (refused.status_code, refused.headers["retry-after"], refused.headers["connection"]) == (503, "5", "close")
    value = refused.json()
    for key in where:
        value = value[key]
    assert value == type_
    assert ending.engine.jobs == []


async def test_websocket_during_shutdown_is_rejected(ending: InMemory) -> None:
    async with Socket(ending.app) as socket:
        assert socket.denial is not None
        assert (socket.denial[0], socket.denial[2]["error"]["type"]) == (503, "engine_unavailable")


async def test_gateway_in_shutdown_is_alive_but_not_ready(ending: InMemory) -> None:
    for method in ("GET", "HEAD"):
        live, ready = [await ending.client.request(method, f"/health/{name}") for name in ("live", "ready")]
        assert (live.status_code, ready.status_code) == (200, 503)
        assert live.headers["connection"] == ready.headers["connection"] == "close"


# ---- paths shared by two APIs


async def test_model_name_may_have_a_slash_without_shadowing_invoke(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, aliases={"models": {"org/model": "fake", "org/invoke/it": "fake"}})
    for name, path in (("org/model", "org%2Fmodel"), ("org/model", "org/model"), ("org/invoke/it", "org/invoke%2Fit")):
        assert (await gateway.client.get(f"/v1/models/{path}")).json()["id"] == name
    unknown = await gateway.client.get("/v1/models/org%2Fother")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert (await gateway.client.get("/v1/models/fake/invoke")).headers["allow"] == "POST"
