"""``POST /tts`` with a language model's response as the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.app import InMemory, in_memory
from support.bedrock_responses import CLAUDE, CONVERSE, CONVERSE_STREAM, LLAMA, SPOKEN, TITAN, WHOLE, chunked

from gateway.api.common.body import ANSWER_TYPE


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


async def post(gateway: InMemory, body: dict[str, Any], **options: Any) -> httpx.Response:
    return await gateway.client.post("/tts", json=body, **options)


@pytest.mark.parametrize("answer", [*WHOLE.values(), CONVERSE_STREAM, chunked(CONVERSE_STREAM)])
async def test_text_can_be_a_models_response(gateway: InMemory, answer: Any) -> None:
    response = await post(gateway, {"text": answer, "seed": 3})
    assert response.status_code == 200, response.text
    assert gateway.engine.jobs[0].text == SPOKEN
    assert gateway.engine.jobs[0].seed == 3


@pytest.mark.parametrize("answer", [CONVERSE, CLAUDE, TITAN, LLAMA, CONVERSE_STREAM])
async def test_models_response_can_be_in_the_field_response(gateway: InMemory, answer: Any) -> None:
    response = await post(gateway, {"response": answer, "seed": 3}, params={"engine": "fake"})
    assert response.status_code == 200, response.text
    assert gateway.engine.jobs[0].text == SPOKEN
    assert gateway.engine.jobs[0].seed == 3


@pytest.mark.parametrize("answer", [CONVERSE, CLAUDE, CONVERSE_STREAM])
async def test_whole_body_is_a_response_on_invocations_if_its_type_says_so(gateway: InMemory, answer: Any) -> None:
    headers = {"content-type": ANSWER_TYPE, "x-amzn-sagemaker-custom-attributes": "engine=fake,seed=3"}
    lines = "\n".join(map(json.dumps, answer if isinstance(answer, list) else [answer]))
    for content in (json.dumps(answer), lines):
        response = await gateway.client.post("/invocations", content=content, headers=headers)
        assert response.status_code == 200, response.text
    assert [(job.text, job.seed) for job in gateway.engine.jobs] == [(SPOKEN, 3)] * 2
    assert (await gateway.client.post("/tts", content=json.dumps(answer), headers=headers)).status_code == 415


async def test_empty_body_of_that_type_is_refused(gateway: InMemory) -> None:
    response = await gateway.client.post("/invocations", content=b"", headers={"content-type": ANSWER_TYPE})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "text"


async def test_markdown_of_a_response_is_converted_unless_disabled(gateway: InMemory) -> None:
    answer = {"generation": "# Hours\n\n- **nine** to five"}
    for body in ({"text": answer}, {"text": answer, "markdown": False}, {"text": answer["generation"]}):
        assert (await post(gateway, {**body, "normalize": False})).status_code == 200
    assert (await post(gateway, {"text": answer["generation"], "markdown": True})).status_code == 200
    assert (await gateway.client.post("/tts?markdown=true", data={"text": "**a** b"})).status_code == 415
    form = await gateway.client.post("/tts", files={"text": (None, "**a** b"), "markdown": (None, "true")})
    assert form.status_code == 200, form.text
    spoken = [job.text for job in gateway.engine.jobs]
    assert spoken == ["Hours.\n\nnine to five.", answer["generation"], answer["generation"], spoken[0], "a b"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"text": {"output": {"message": {"content": [{"text": 5}]}}}}, "text.output.message.content.0.text"),
        ({"text": {"output": {"message": {"content": [{"toolUse": {"name": "x"}}]}}}}, "text"),
        ({"text": {"what": "is this"}}, "text"),
        ({"text": []}, "text"),
        ({"generation": "Hi."}, "text"),  # the keys of a response are not fields
        ({**CONVERSE, "text": "Hi."}, "output"),
        ({"response": {"generation": 5}}, "response.generation"),
        ({"text": "a", "response": {"generation": "b"}}, "response"),
        ({"text": {"generation": "a"}, "response": {"generation": "b"}}, "response"),
        ({"text": "a", "response": "wrapped"}, "response"),
        ({"text": "a", "generation": "b"}, "generation"),
        ({"text": {"generation": "Hi."}, "markdown": "yes"}, "markdown"),
        ({"text": "```\ncode\n```", "markdown": True}, "text"),
        ({"text": {"generation": "word " * 2000}}, "text"),
        ({"markdown": True}, "text"),
    ],
)
async def test_invalid_response_is_refused_with_its_path(gateway: InMemory, body: dict[str, Any], param: str) -> None:
    response = await post(gateway, body)
    assert response.status_code == 422, response.text
    assert response.json()["error"]["param"] == param
    assert not gateway.engine.jobs
