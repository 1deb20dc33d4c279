"""The OpenAPI document's errors: each operation has exactly those that the middleware answers it with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from support.app import InMemory, in_memory

from gateway.service.auth import key_hash

KEY = "k" * 43


def operations(gateway: InMemory) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each operation."""
    for path, methods in gateway.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), re.sub(r"{\w+}", "x", path), operation


def check_body(gateway: InMemory, operation: dict[str, Any], response: httpx.Response) -> None:
    schema = operation["responses"][str(response.status_code)]["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), {**schema, "components": gateway.app.openapi()["components"]})


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, {"Host": "other.example"}),
        (413, {"Content-Length": "1000000000000"}),
        (415, {"Content-Encoding": "gzip"}),
    ],
)
async def test_refusal_is_documented_exactly_where_it_happens(
    tmp_path: Path, status: int, headers: dict[str, str]
) -> None:
    gateway = in_memory(tmp_path)
    refused = 0
    for method, path, operation in operations(gateway):
        response = await gateway.client.request(method, path, headers=headers)
        if response.status_code == status:
            refused += 1
            check_body(gateway, operation, response)
        else:
            assert str(status) not in operation["responses"], (method, path)
    assert refused > 20


async def test_shutdown_is_documented_exactly_where_it_is_refused(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    gateway.app.state.services.live.draining.set()
    for method, path, operation in operations(gateway):
        response = await gateway.client.request(method, path)
        assert (response.status_code == 503) == ("503" in operation["responses"]), (method, path)


async def test_keys_and_their_limits_are_documented_exactly_where_they_are_checked(tmp_path: Path) -> None:
    key = {"sha256": key_hash(KEY), "requests_per_minute": 1}
    gateway = in_memory(tmp_path, settings={"access": {"keys": {"ann": key}, "open": ()}})
    bearer = {"Authorization": f"Bearer {KEY}"}
    await gateway.client.get("/v1/engines", headers=bearer)  # the only one of this minute
    for method, path, operation in operations(gateway):
        for status, headers in ((401, {}), (429, bearer)):
            response = await gateway.client.request(method, path, headers=headers)
            assert (response.status_code == status) == (str(status) in operation["responses"]), (method, path)
            if response.status_code == status:
                check_body(gateway, operation, response)


def test_every_operation_describes_the_bodies_of_its_responses(tmp_path: Path) -> None:
    for method, path, operation in operations(in_memory(tmp_path)):
        for status, response in operation["responses"].items():
            empty = status in ("204", "307") or path == "/ping"
            assert empty or response["content"], (method, path, status)
            assert response["description"] not in ("", "Validation Error")


async def test_invalid_query_of_openai_api_is_status_400(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    response = await gateway.client.get("/v1/audio/voices", params={"model": "m" * 257})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "model"
