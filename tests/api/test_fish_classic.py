"""The classic Fish-Speech API: invocation, model list and errors."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support.app import InMemory, in_memory
from support.classic_models import FISH, error_of, fish_gateway, pausing, until, webui_invoke
from support.gateway_process import read_audio

from backends.base import AudioChunk, Job
from gateway.engine.fake import FakeEngine
from gateway.errors import SynthesisFailed


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return fish_gateway(tmp_path)


def invoke(gateway: InMemory, name: str = "default", **body: Any) -> Any:
    return gateway.client.post(f"/v1/models/{name}/invoke", json=body)


async def test_empty_body_speaks_the_default_sentence(gateway: InMemory) -> None:
    response = await gateway.client.post("/v1/models/default/invoke")
    assert response.status_code == 200, response.text
    (job,) = gateway.engine.jobs
    assert job.text == "你说的对, 但是原神是一款由米哈游自主研发的开放世界手游."
    assert job.options == {}, "defaults are left to the engine"


async def test_response_is_a_wav_attachment(gateway: InMemory, tmp_path: Path) -> None:
    response = await invoke(gateway, text="hello", seed=3)
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == "attachment; filename=audio.wav"
    assert "content-length" not in response.headers
    (tmp_path / "audio.wav").write_bytes(response.content)
    info = soundfile.info(tmp_path / "audio.wav")
    assert (info.format, info.subtype, info.channels, info.samplerate) == ("WAV", "PCM_16", 1, 22050)
    assert info.frames == 4800
    assert int.from_bytes(response.content[4:8], "little") == len(response.content) - 8
    again = await invoke(gateway, text="hello", seed=3)
    assert again.content == response.content


async def test_webui_request_is_spoken(gateway: InMemory) -> None:
    response = await gateway.client.post("/v1/models/default/invoke", json=webui_invoke(top_k=20, speaker="Rcell"))
    assert response.status_code == 200, response.text
    (job,) = gateway.engine.jobs
    assert job.text == "测试一下"
    assert job.options == {
        "max_new_tokens": 0,
        "top_k": 20,
        "top_p": 0.5,
        "repetition_penalty": 1.5,
        "temperature": 0.7,
        "order": "zh,jp,en",
        "use_g2p": False,
        "speaker": "Rcell",
    }


async def test_extreme_values_are_clamped(gateway: InMemory) -> None:
    for body in (
        {"top_k": 0, "top_p": 0, "repetition_penalty": 0, "temperature": 0, "max_new_tokens": 4096},
        {"top_k": 100, "top_p": 1, "repetition_penalty": 2, "temperature": 2},
        {"max_new_tokens": 100_000, "top_k": 10**6},
    ):
        assert (await invoke(gateway, **body)).status_code == 200
    low, high, beyond = (job.options for job in gateway.engine.jobs)
    assert (low["top_k"], low["temperature"], low["repetition_penalty"]) == (0, 0, 0.1)
    assert 0 < low["top_p"] < 1e-5
    assert (high["top_k"], high["top_p"], high["repetition_penalty"], high["temperature"]) == (100, 1, 2, 2)
    assert beyond == {"max_new_tokens": 4096, "top_k": 4096}


@pytest.mark.parametrize(("seed", "spoken"), [(7, 7), (-1, 2**32 - 1), (2**32 + 5, 5), (2**64 - 1, 2**32 - 1)])
async def test_every_torch_seed_is_accepted(gateway: InMemory, seed: int, spoken: int) -> None:
    assert (await invoke(gateway, seed=seed)).status_code == 200
    assert gateway.engine.jobs[0].seed == spoken


async def test_prompt_text_without_prompt_tokens_is_ignored_and_reported(gateway: InMemory) -> None:
    response = await invoke(gateway, text="x", prompt_text="y")
    assert response.status_code == 200
    assert response.headers["X-Voxgate-Ignored"] == "prompt_text"
    assert gateway.engine.jobs[0].options == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": "x" * 5001}, "text"),
        ({"text": 5}, "text"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_p": -0.1}, "top_p"),
        ({"temperature": 2.1}, "temperature"),
        ({"repetition_penalty": -1}, "repetition_penalty"),
        ({"top_k": -1}, "top_k"),
        ({"max_new_tokens": -1}, "max_new_tokens"),
        ({"max_new_tokens": 1.5}, "max_new_tokens"),
        ({"use_g2p": "perhaps"}, "use_g2p"),
        ({"seed": 2**64}, "seed"),
        ({"order": 3}, "order"),
        ({"order": "x" * 17}, "order"),
        ({"speaker": "x" * 129}, "speaker"),
    ],
)
async def test_invalid_field_is_named_in_the_message(gateway: InMemory, body: dict[str, Any], field: str) -> None:
    assert error_of(await invoke(gateway, **body), 422).startswith(f"{field}: ")
    assert not gateway.engine.jobs
    assert gateway.metric("voxgate_errors_total", type="invalid_request") == 1


async def test_unknown_fields_are_listed_in_a_header(gateway: InMemory) -> None:
    response = await invoke(gateway, text="x", tempreture=1, 多=2)
    assert response.status_code == 200
    assert response.headers["x-voxgate-ignored"] == "tempreture, %E5%A4%9A"
    assert "x-voxgate-ignored" not in (await invoke(gateway, text="x")).headers


async def test_engine_of_another_kind_refuses_only_options_it_lacks(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, FakeEngine())
    assert (await invoke(gateway, text="x", seed=1)).status_code == 200
    assert "temperature: unknown option" in error_of(await invoke(gateway, temperature=0.7), 422)


@pytest.mark.parametrize("name", ["nobody", "Default", "%2e%2e", "%00", "x" * 300])
async def test_unknown_model_is_404(gateway: InMemory, name: str) -> None:
    response = await gateway.client.post(f"/v1/models/{name}/invoke", json={"prompt_tokens": "/etc/passwd.npy"})
    assert error_of(response, 404) == "Cannot find model."


async def test_without_a_fish_engine_there_are_no_models(tmp_path: Path) -> None:
    gateway = in_memory(tmp_path)
    assert (await gateway.client.get("/v1/models")).json()["models"] == []
    assert error_of(await invoke(gateway), 404) == "Cannot find model."
    assert error_of(await gateway.client.post("/v1/invoke", json={}), 404) == "Cannot find model."
    assert "fish_api.engine" in error_of(await gateway.client.put("/v1/models/default"), 404)
    assert error_of(await gateway.client.delete("/v1/models/default"), 400) == "Model not found."


async def test_model_list_serves_classic_and_openai_clients(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path)
    await gateway.client.put("/v1/models/mine", json={"device": "cpu"})
    listing = (await gateway.client.get("/v1/models")).json()
    assert listing["models"] == ["default", "mine"]
    assert listing["object"] == "list"
    assert [entry["id"] for entry in listing["data"]] == ["fish", "default", "mine"]
    for entry in listing["data"]:
        assert set(entry) == {"id", "object", "created", "owned_by"}
        assert (entry["object"], entry["owned_by"]) == ("model", "voxgate")
        assert isinstance(entry["created"], int)


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"text": NaN}', "application/json", 400),
        (b"[" * 100_000, "application/json", 422),  # not an object: the rest is not read
        (b'{"text":' + b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"text=x", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/models/default"), ("POST", "/v1/models/default/invoke"), ("POST", "/v1/invoke")],
)
async def test_malformed_bodies_are_refused(
    gateway: InMemory, method: str, path: str, content: bytes, content_type: str, status: int
) -> None:
    response = await gateway.client.request(method, path, content=content, headers={"content-type": content_type})
    assert error_of(response, status)
    assert not gateway.engine.jobs


async def test_every_error_has_the_classic_envelope(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, limits={"body_bytes": 2000})
    assert error_of(await invoke(gateway, text="x" * 3000), 413)
    wrong = await gateway.client.get("/v1/models/default/invoke")
    assert "Method Not Allowed" in error_of(wrong, 405)
    assert wrong.headers["allow"] == "POST"
    assert error_of(await gateway.client.patch("/v1/models/default"), 405)
    evil = await gateway.client.delete("/v1/models/default", headers={"origin": "https://evil.example"})
    assert error_of(evil, 403)
    native = await gateway.client.get("/v1/engines/nobody")
    assert set(native.json()) == {"error"}, "other routes have the native envelope"


async def failing(job: Job) -> AsyncGenerator[AudioChunk, None]:
    if job.text == "fail":
        yield AudioChunk(job.id, np.zeros(100, np.float32))
        raise SynthesisFailed("no luck")
    if job.text == "bug":
        raise ZeroDivisionError("secret")
    yield AudioChunk(job.id, np.zeros(100, np.float32))


async def test_failed_request_does_not_block_later_ones(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, FakeEngine("fish", failing, capabilities=FISH), max_active=1)
    assert "secret" not in error_of(await invoke(gateway, text="bug"), 500)
    for _ in range(3):
        assert error_of(await invoke(gateway, text="fail"), 500) == "no luck"
        assert (await invoke(gateway, text="fine")).status_code == 200


async def test_april_api_has_its_own_defaults(gateway: InMemory) -> None:
    response = await gateway.client.post("/v1/invoke", json={"text": "hello"})
    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"] == "attachment; filename=audio.wav"
    assert gateway.engine.jobs[0].options == {"top_p": 0.7, "chunk_length": 90}
    assert read_audio(response.content)[1] == 22050


async def test_every_field_of_the_april_api_reaches_the_engine(gateway: InMemory, clip: bytes) -> None:
    body = {
        "text": "hello",
        "reference_text": "what is said",
        "reference_audio": base64.b64encode(clip).decode(),
        "max_new_tokens": 64,
        "chunk_length": 40,
        "top_k": 5,
        "top_p": 0.9,
        "repetition_penalty": 1.2,
        "temperature": 0.5,
        "speaker": None,
        "format": "flac",
    }
    response = await gateway.client.post("/v1/invoke", json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"] == "attachment; filename=audio.flac"
    assert response.content.startswith(b"fLaC")
    (job,) = gateway.engine.jobs
    assert job.reference is not None
    assert (job.reference.text, len(job.reference.audio)) == ("what is said", 32000)
    assert job.options == {
        "max_new_tokens": 64,
        "top_k": 5,
        "top_p": 0.9,
        "repetition_penalty": 1.2,
        "temperature": 0.5,
        "chunk_length": 120,
    }
    mp3 = await gateway.client.post("/v1/invoke", json={"text": "x", "format": "mp3", "chunk_length": 10_000})
    assert mp3.headers["content-disposition"] == "attachment; filename=audio.mp3"
    assert gateway.engine.jobs[1].options["chunk_length"] == 1000


async def test_april_defaults_apply_only_to_options_that_the_engine_has(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, FakeEngine())
    assert (await gateway.client.post("/v1/invoke", json={"text": "x"})).status_code == 200
    assert gateway.engine.jobs[0].options == {}
    assert "top_p: " in error_of(await gateway.client.post("/v1/invoke", json={"text": "x", "top_p": 0.7}), 422)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"format": "wma"}, 422, "format"),
        ({"reference_audio": "!!!"}, 422, "reference_audio"),
        ({"reference_audio": base64.b64encode(b"no audio" * 100).decode()}, 415, "reference_audio"),
        ({"reference_text": "of nothing"}, 422, "reference_text"),
        ({"chunk_length": -1}, 422, "chunk_length"),
    ],
)
async def test_invalid_fields_of_the_april_api_are_named(gateway: InMemory, body: Any, status: int, field: str) -> None:
    assert error_of(await gateway.client.post("/v1/invoke", json=body), status).startswith(f"{field}: ")


async def test_model_names_do_not_become_metric_labels(gateway: InMemory) -> None:
    await gateway.client.put("/v1/models/secret-name", json={"device": "cpu"})
    assert (await invoke(gateway, "secret-name")).status_code == 200
    text = (await gateway.client.get("/metrics")).text
    assert "secret-name" not in text
    assert 'voxgate_requests_total{engine="fish:*",outcome="ok"} 1.0' in text
    assert 'voxgate_engine_ready{engine="fish:*"} 1.0' in text
    await gateway.client.delete("/v1/models/secret-name")
    assert 'voxgate_engine_ready{engine="fish:*"}' not in (await gateway.client.get("/metrics")).text


@pytest.mark.parametrize(("settings", "status"), [({"max_active": 1, "max_queue": 0}, 429), ({}, 503)])
async def test_request_over_a_limit_has_retry_after(tmp_path: Path, settings: dict[str, Any], status: int) -> None:
    gate = asyncio.Event()
    engine = FakeEngine("fish", pausing(gate), capabilities=FISH)
    gateway = fish_gateway(tmp_path, engine, limits={"requests": 2 if settings else 1}, **settings)
    first = asyncio.create_task(invoke(gateway))
    await until(lambda: engine.jobs)
    refused = await invoke(gateway)
    assert error_of(refused, status)
    assert int(refused.headers["retry-after"]) >= 1
    assert (await gateway.client.post("/v1/health")).json() == {"status": "ok"}
    gate.set()
    assert (await first).status_code == 200


async def test_disconnect_aborts_the_job(tmp_path: Path) -> None:
    gateway = fish_gateway(tmp_path, FakeEngine("fish", pausing(asyncio.Event()), capabilities=FISH))
    statuses: list[int] = []
    messages = iter([{"type": "http.request", "body": b"{}", "more_body": False}])

    async def receive() -> Any:
        if (message := next(messages, None)) is not None:
            return message
        await until(lambda: gateway.engine.jobs)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    path = "/v1/models/default/invoke"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "headers": []}
    await gateway.app({**scope, "query_string": b"", "root_path": ""}, receive, send)
    assert statuses[0] == 499
    assert len(gateway.engine.aborted) == 1


async def test_docs_are_at_their_original_paths(gateway: InMemory) -> None:
    moved = await gateway.client.get("/docs/")
    assert (moved.status_code, moved.headers["location"]) == (307, "/docs")
    schema = (await gateway.client.get("/docs/json")).json()
    assert schema == (await gateway.client.get("/openapi.json")).json()
    body = schema["paths"]["/v1/models/{name}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["llama"]["properties"]["precision"]["default"] == "bfloat16"
    assert "$ref" not in str(body)


@pytest.mark.parametrize("kind", [None, "application/json; charset=utf-8", "application/x+json"])
async def test_json_is_accepted_with_common_content_types(gateway: InMemory, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    url = "/v1/models/default/invoke"
    assert (await gateway.client.post(url, content=b'{"text": "x"}', headers=headers)).status_code == 200
