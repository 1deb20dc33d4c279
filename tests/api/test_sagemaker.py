from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.app import InMemory, in_memory
from support.gateway_process import read_audio

from gateway.api.sagemaker.accept import choose
from gateway.engine.client import State
from gateway.engine.fake import FakeEngine
from gateway.errors import ConfigError, InvalidRequest, NotAcceptable
from gateway.service.auth import key_hash
from gateway.settings_sources import load_settings

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@pytest.fixture
def gateway(tmp_path: Path) -> InMemory:
    return in_memory(tmp_path)


async def invoke(gateway: InMemory, body: Any = None, attributes: str = "", accept: str = "*/*") -> httpx.Response:
    headers = {"Accept": accept, **({ATTRIBUTES: attributes} if attributes else {})}
    if isinstance(body, str):
        headers["Content-Type"] = "text/plain; charset=utf-8"
        return await gateway.client.post("/invocations", content=body.encode(), headers=headers)
    return await gateway.client.post("/invocations", json=body, headers=headers)


@pytest.mark.parametrize(
    ("state", "status"),
    [(State.READY, 200), (State.UNLOADED, 200), (State.LOADING, 503), (State.FAILED, 503), (State.STOPPING, 503)],
)
async def test_ping_depends_on_the_default_engine_only(tmp_path: Path, state: State, status: int) -> None:
    gateway = in_memory(tmp_path, [FakeEngine("one", state=state), FakeEngine("two", state=State.FAILED)], load="eager")
    for method in ("GET", "POST"):
        response = await gateway.client.request(method, "/ping")
        assert (response.status_code, response.content) == (status, b"")


async def test_ping_is_503_during_shutdown(gateway: InMemory) -> None:
    assert (await gateway.client.get("/ping")).status_code == 200
    gateway.app.state.services.live.draining.set()
    assert (await gateway.client.get("/ping")).status_code == 503


async def test_ping_needs_no_key_and_ignores_request_limits(tmp_path: Path) -> None:
    access = {"keys": {"ann": {"sha256": key_hash("k" * 30), "requests_per_minute": 1}}}
    gateway = in_memory(tmp_path, settings={"access": access}, limits={"requests": 1})
    began_at = time.monotonic()
    for _ in range(50):
        assert (await gateway.client.get("/ping")).status_code == 200
    assert time.monotonic() - began_at < 2
    assert (await invoke(gateway, {"text": "x"})).status_code == 401


async def test_invocations_equals_the_native_api(gateway: InMemory, clip: bytes) -> None:
    body = {"text": "hello", "engine": "fake", "voice": "grace", "seed": 5, "format": "flac", "options": {"depth": 2}}
    native = await gateway.client.post("/tts", json=body)
    ours = await invoke(gateway, body)
    assert ours.status_code == 200, ours.text
    assert ours.content == native.content
    assert ours.headers["x-voxgate-voice"] == "grace"
    form = {"text": "hello", "seed": "7", "reference_text": "hm"}
    by_form = await gateway.client.post("/invocations", data=form, files={"reference_audio": ("a.wav", clip)})
    assert by_form.status_code == 200, by_form.text
    assert gateway.engine.jobs[-1].reference is not None


async def test_plain_text_body_is_spoken_with_defaults(gateway: InMemory) -> None:
    response = await invoke(gateway, "Grüße, 世界.")
    assert response.headers["content-type"] == "audio/wav"
    assert gateway.engine.jobs[0].text == "Grüße, 世界."
    assert ATTRIBUTES.lower() not in response.headers


@pytest.mark.parametrize(
    ("content", "kind", "status", "param"),
    [
        (b"", "text/plain", 422, "text"),
        (b"\xff\xfe", "text/plain", 422, "text"),
        ("grüße".encode("latin-1"), "text/plain; charset=latin-1", 415, None),
        (b"{}", "application/json", 422, "text"),
        (b"x", "application/octet-stream", 415, None),
        (b"a,b", "text/csv", 415, None),
    ],
)
async def test_unsupported_content_types_are_refused(
    gateway: InMemory, content: bytes, kind: str, status: int, param: str | None
) -> None:
    response = await gateway.client.post("/invocations", content=content, headers={"Content-Type": kind})
    assert (response.status_code, response.json()["error"]["param"]) == (status, param), response.text


async def test_custom_attributes_set_fields_and_are_repeated(gateway: InMemory) -> None:
    attributes = "engine=fake, voice=gr%61ce;seed=9 ;speed=1.5;language=en-GB;format=pcm;;sample_rate=16000,stream=true"
    response = await invoke(gateway, "hello", attributes)
    assert response.status_code == 200, response.text
    assert response.headers[ATTRIBUTES] == attributes
    assert response.headers["content-type"] == "audio/pcm;rate=16000;channels=1"
    (job,) = gateway.engine.jobs
    assert (job.voice, job.seed, job.speed, job.language, job.stream) == ("grace", 9, 1.5, "en-GB", True)


@pytest.mark.parametrize(
    ("attributes", "param", "named"),
    [
        ("voise=a", ATTRIBUTES, "voise"),
        ("c000b4f9-df62-4c85-a0bf", ATTRIBUTES, "c000b4f9"),
        ("text=x", ATTRIBUTES, "text"),
        ("seed=1,seed=1", ATTRIBUTES, "seed"),
        ("voice=ada;" + "x" * 1024, ATTRIBUTES, "1024"),
        ("seed=x", "seed", "integer"),
        ("stream=perhaps", "stream", "boolean"),
        ("speed=9", "speed", "4"),
        ("voice=ada", "voice", "twice"),
    ],
)
async def test_invalid_attribute_is_named(gateway: InMemory, attributes: str, param: str, named: str) -> None:
    response = await invoke(gateway, {"text": "x", "voice": "ada"}, attributes)
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["param"] == param
    assert named in error["message"]
    assert gateway.engine.jobs == []


@pytest.mark.parametrize(
    ("accept", "format_", "chosen"),
    [
        ("", None, {}),
        ("*/*", None, {"format": "wav"}),
        ("audio/*", None, {"format": "wav"}),
        ("audio/mpeg", None, {"format": "mp3"}),
        ("Audio/X-WAV", None, {"format": "wav"}),
        ("audio/ogg;codecs=opus", None, {"format": "opus"}),
        ("audio/flac;q=0.2, audio/aac;q=0.9, */*;q=0.1", None, {"format": "aac"}),
        ("audio/mpeg;q=.1, audio/flac; q=.2, */*; q=.1", None, {"format": "flac"}),
        ("*/*, audio/mpeg", None, {"format": "mp3"}),
        ("audio/mpeg, audio/wav", None, {"format": "mp3"}),
        ("*/*, audio/wav;q=0", None, {"format": "mp3"}),
        ("*/*;q=0.9, audio/wav;q=0.1", None, {"format": "mp3"}),
        ("application/json;q=0.5, audio/*;q=0.4", None, {"response": "base64"}),
        ("image/png, audio/pcm", None, {"format": "pcm"}),
        ("audio/L16;rate=16000;channels=1", None, {"format": "pcm", "sample_rate": 16000}),
        ("audio/L16;channels=2, audio/wav;q=0.1", None, {"format": "wav"}),
        ("audio/mp4", None, {"format": "m4a"}),
        ("audio/webm;codecs=opus", None, {"format": "webm"}),
        ("audio/basic", None, {"format": "mulaw"}),
        ("audio/PCMA;rate=8000", None, {"format": "alaw", "sample_rate": 8000}),
        ("audio/wav", "mulaw_wav", {"format": "mulaw_wav"}),
        ("application/json", None, {"response": "base64"}),
        ("*/*", "mp3", {"format": "mp3"}),
        ("audio/wav, audio/mpeg;q=0.1", "mp3", {"format": "mp3"}),
        ("application/json", "mp3", {"response": "base64"}),
    ],
)
def test_accept_selects_the_format(accept: str, format_: str | None, chosen: dict[str, object]) -> None:
    assert choose(accept, format_) == chosen


@pytest.mark.parametrize(
    ("accept", "format_", "response"),
    [
        ("image/png", None, None),
        ("application/octet-stream", None, None),
        ("audio/wav;q=0", None, None),
        ("*/*, audio/*;q=0", None, None),
        ("audio/L16;channels=2", None, None),
        ("audio/mpeg", "wav", None),
        ("*/*, audio/x-wav;q=0", "wav", None),
        ("audio/wav", None, "base64"),
        ("application/json", None, "binary"),
    ],
)
def test_unacceptable_format_is_406(accept: str, format_: str | None, response: str | None) -> None:
    with pytest.raises(NotAcceptable, match="audio/mpeg"):
        choose(accept, format_, response)


@pytest.mark.parametrize(
    "accept",
    [
        f"audio/pcm;rate={'9' * 5000}",
        "audio/pcm;rate=1234567",
        "audio/pcm;rate=-1",
        "audio/wav;q=1_0e-1",
        "audio/wav;q=1e-1",
        "audio/wav;q=0.1234",
        "audio/wav;q=1.001",
        "audio/wav;q=nan",
        "audio/wav;q=",
        "audio/wav;q=\u0661",
    ],
)
def test_invalid_weight_in_accept_is_refused(accept: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose(accept)
    assert caught.value.param == "Accept"
    for weight in ("0", "0.", "0.123", "1", "1.", "1.000"):
        choose(f"audio/mpeg, audio/wav;q={weight}")


@pytest.mark.parametrize(
    ("accept", "rate_hz", "chosen"),
    [
        ("audio/pcm;rate=16000", 16000, {"format": "pcm", "sample_rate": 16000}),
        ("audio/pcm", 8000, {"format": "pcm"}),
        ("audio/pcm;rate=16000, audio/mpeg;q=0.1", 8000, {"format": "mp3"}),
        ("audio/wav;rate=16000", 8000, {"format": "wav"}),
    ],
)
def test_accept_must_allow_the_requested_sample_rate(accept: str, rate_hz: int, chosen: dict[str, object]) -> None:
    assert choose(accept, rate_hz=rate_hz) == chosen


async def test_conflicting_sample_rate_is_406(gateway: InMemory) -> None:
    accept = "audio/pcm;rate=16000"
    refused = await invoke(gateway, {"text": "x", "sample_rate": 8000}, accept=accept)
    assert (refused.status_code, refused.json()["error"]["type"]) == (406, "not_acceptable")
    assert "8000 Hz" in refused.json()["error"]["message"]
    assert (await invoke(gateway, "x", "sample_rate=8000", accept)).status_code == 406
    agreed = await invoke(gateway, {"text": "x", "sample_rate": 16000}, accept=accept)
    assert agreed.headers["content-type"] == "audio/pcm;rate=16000;channels=1"
    assert gateway.engine.jobs[0].text == "x"


async def test_fields_from_accept_are_validated(gateway: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.api.sagemaker.routes.choose", lambda *_: {"response": "nothing"})
    refused = await invoke(gateway, {"text": "x"}, accept="audio/wav")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "response")
    assert gateway.engine.jobs == []


async def test_accept_header_selects_the_response_format(gateway: InMemory) -> None:
    body = {"text": "x", "seed": 1}
    mp3 = await invoke(gateway, body, accept="audio/mpeg")
    assert mp3.headers["content-type"] == "audio/mpeg"
    refused = await invoke(gateway, body, accept="image/png")
    assert (refused.status_code, refused.json()["error"]["type"]) == (406, "not_acceptable")
    malformed = await invoke(gateway, body, accept="audio/wav;q=much")
    assert (malformed.status_code, malformed.json()["error"]["param"]) == (422, "Accept")
    wrapped = (await invoke(gateway, body, accept="application/json")).json()
    assert len(read_audio(base64.b64decode(wrapped["audio"]))[0]) == 4800
    contradiction = await invoke(gateway, {**body, "stream": True}, accept="application/json")
    assert (contradiction.status_code, contradiction.json()["error"]["param"]) == (422, "response")


async def test_stream_has_the_same_audio(gateway: InMemory) -> None:
    whole = await invoke(gateway, {"text": "x", "seed": 1, "format": "pcm"})
    streamed = await invoke(gateway, {"text": "x", "seed": 1, "stream": True}, accept="audio/pcm")
    assert "content-length" not in streamed.headers
    assert streamed.content == whole.content


async def test_multi_model_routes_are_404(gateway: InMemory) -> None:
    for method, path in (
        ("GET", "/models"),
        ("POST", "/models"),
        ("POST", "/models/x/invoke"),
        ("GET", "/execution-parameters"),
    ):
        assert (await gateway.client.request(method, path)).status_code == 404


# ---- settings


ARCHIVED = "default_engine: a\nengines: {a: {backend: tone}}\nport: 9000\nhost: 127.0.0.1\n"


def test_sagemaker_uses_the_archives_configuration_or_the_shipped_one(tmp_path: Path) -> None:
    shipped = load_settings(model_dir=tmp_path)
    assert (shipped.host, shipped.port, shipped.default_engine) == ("0.0.0.0", 8080, "lite")
    assert shipped.limits.drain_s <= 20, "SIGKILL comes 30 s after SIGTERM, and workers need time to exit"
    assert not Path(shipped.engines["f5"].model["checkpoint"]).is_absolute()
    (tmp_path / "voxgate.yaml").write_text(ARCHIVED)
    archived = load_settings(model_dir=tmp_path)
    assert (archived.host, archived.port, archived.default_engine) == ("0.0.0.0", 8080, "a")
    other = tmp_path / "other.yaml"
    other.write_text(ARCHIVED.replace("a:", "b:").replace(": a", ": b"))
    assert load_settings(other, model_dir=tmp_path).default_engine == "b"
    assert load_settings(model_dir=tmp_path, flags={"port": 1}).port == 1


def test_sagemaker_port_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "8123")
    assert load_settings().port == 8000, "the variable has no effect without --sagemaker"
    assert load_settings(model_dir=tmp_path).port == 8123
    monkeypatch.setenv("VOXGATE_HOST", "127.0.0.1")
    assert load_settings(model_dir=tmp_path).host == "127.0.0.1"
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "many")
    with pytest.raises(ConfigError, match=r"port: .*SAGEMAKER_BIND_TO_PORT"):
        load_settings(model_dir=tmp_path)
