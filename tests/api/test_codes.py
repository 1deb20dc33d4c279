"""``POST /v1/codes`` with a fake engine."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from support.app import InMemory, in_memory
from support.classic_models import FISH

from backends.base import CodecInfo, Job
from backends.errors import InvalidJob
from gateway.engine.client import EngineOutput, Work
from gateway.engine.fake import FakeEngine

CODEC = CodecInfo(4, 160, 1024, generates=True)
CAPABILITIES = replace(FISH, codec=CODEC)


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path, [FakeEngine("fish", capabilities=CAPABILITIES), FakeEngine("plain")])


async def post(gateway: InMemory, **fields: Any) -> httpx.Response:
    return await gateway.client.post("/v1/codes", json=fields)


def error_of(response: httpx.Response, status: int = 422) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    return error


async def test_text_becomes_an_npy_file_of_codes(gateway: InMemory) -> None:
    tokens = base64.b64encode(b"codes of a voice").decode()
    options = {"prompt_tokens": tokens, "prompt_text": "Hi.", "top_p": 0.5}
    response = await post(gateway, text="I have 3.", seed=7, options=options)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["x-voxgate-seed"] == "7"
    assert response.headers["x-voxgate-model"] == "fish-fake"
    (job,) = gateway.engine.conversions
    assert isinstance(job, Job)
    assert (job.text, job.codes_only, job.options) == ("I have three.", True, options)
    codes = np.load(io.BytesIO(response.content))
    assert codes.dtype == np.dtype("<i4")
    np.testing.assert_array_equal(codes, np.random.default_rng(7).integers(160, size=(4, len(job.text))))
    assert gateway.metric("voxgate_requests_total", engine="fish", outcome="ok") == 1


async def test_form_may_carry_a_reference(gateway: InMemory, clip: bytes) -> None:
    data = {"text": "Hello.", "seed": "1", "reference_text": "A tone."}
    response = await gateway.client.post("/v1/codes", data=data, files={"reference_audio": ("a.wav", clip)})
    assert response.status_code == 200, response.text
    (job,) = gateway.engine.conversions
    assert isinstance(job, Job)
    assert job.reference is not None
    assert job.reference.text == "A tone."


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({}, "text", "Field required"),
        ({"text": " "}, "text", "has only white space"),
        ({"text": "x" * 1001}, "text", "the limit is 1000"),
        ({"text": "Wait. [pause:1s] Now."}, "text", "has a pause"),
        ({"text": "..."}, "text", "nothing to speak"),
        ({"text": "Hi.", "speed": 2}, "speed", "unknown field"),
        ({"text": "Hi.", "format": "mp3"}, "format", "unknown field"),
        ({"text": "Hi.", "seed": -1}, "seed", "greater than or equal to 0"),
        ({"text": "Hi.", "options": {"top_p": 2}}, "options.top_p", "maximum"),
        ({"text": "Hi.", "engine": "plain"}, "engine", "cannot return codes; engines that can: fish"),
    ],
)
async def test_invalid_field_is_named(gateway: InMemory, fields: dict[str, Any], param: str, message: str) -> None:
    error = error_of(await post(gateway, **fields))
    assert error["param"] == param
    assert message in error["message"]
    assert gateway.engine.conversions == []


class RefusingEngine(FakeEngine):
    """Refuse every text."""

    async def convert(self, job: Work) -> AsyncGenerator[EngineOutput, None]:  # type: ignore[override]
        raise InvalidJob("cannot read é", param="text", needs_languages=("fr",))
        yield


async def test_refusal_of_the_engine_names_the_field(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path, [RefusingEngine(capabilities=CAPABILITIES)])
    error = error_of(await post(gateway, text="Café."))
    assert error["param"] == "text"
    assert error["message"] == "cannot read é; no configured engine supports fr"
    assert gateway.metric("voxgate_requests_total", engine="fake", outcome="invalid_request") == 1
    assert gateway.app.state.services.engines.get("fake").admission.active == 0
