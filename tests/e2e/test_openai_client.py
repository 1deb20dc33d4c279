"""OpenAI's client, and the requests of Open WebUI, with a running gateway."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from support.gateway_process import TONE, Gateway, read_audio, start_gateway, wait_ready

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ALL_FORMATS = ["wav", "mp3", "flac", "opus", "aac", "pcm"]
LONG = "This is a sentence. " * 10
LONG_S = 0.05 * len(LONG)  # as the tone engine speaks it


def client_of(gateway: Gateway) -> OpenAI:
    http = openai.DefaultHttpxClient(trust_env=False)
    return OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=60, http_client=http)


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with client_of(gateway) as client:
        yield client


def seconds_of(file: Path, raw: bool = False) -> float:
    arguments = ["-f", "s16le", "-ar", "24000", "-ac", "1"] if raw else []
    command = ["ffmpeg", "-v", "error", *arguments, "-i", str(file), "-f", "s16le", "-ar", "24000", "-ac", "1", "-"]
    return len(subprocess.run(command, capture_output=True, check=True).stdout) / 2 / 24000


def test_first_lines_of_openais_guide_work(client: OpenAI, tmp_path: Path) -> None:
    speech = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello from Voxgate.")
    assert speech.response.headers["content-type"] == "audio/mpeg"
    assert speech.response.headers["x-voxgate-engine"] == "lite", "the default engine"
    assert "x-voxgate-ignored" not in speech.response.headers
    speech.write_to_file(tmp_path / "hello.mp3")
    assert 0.8 < seconds_of(tmp_path / "hello.mp3") < 3


def test_client_with_its_defaults_waits_for_an_engine_that_loads_slowly(tmp_path: Path) -> None:
    lazy = {"backend": "tone", "load": "lazy", "model": {"load_s": 12.0}}  # longer than all retries of the client
    gateway = start_gateway(tmp_path, {**TONE, "engines": {"tone": lazy}})
    try:
        with OpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
            speech = client.audio.speech.create(model="tts-1", voice="alloy", input="hi", response_format="wav")
        assert len(read_audio(speech.content)[0])
        assert gateway.client.get("/metrics").text.count('route="/v1/audio/speech",status="503"') == 0
    finally:
        gateway.stop()


@pytest.mark.parametrize("fmt", ALL_FORMATS)
def test_every_format_decodes_to_the_whole_text(client: OpenAI, tmp_path: Path, fmt: str) -> None:
    file = tmp_path / f"speech.{fmt}"
    with client.audio.speech.with_streaming_response.create(
        model="tone", voice="high", input=LONG, response_format=fmt
    ) as response:
        assert response.headers["x-voxgate-voice"] == "high"
        response.stream_to_file(file)
    assert seconds_of(file, raw=fmt == "pcm") == pytest.approx(LONG_S, abs=0.15)
    options = {"stream": False}
    whole = client.audio.speech.create(
        model="tone", voice="high", input=LONG, response_format=fmt, speed=2.0, extra_body=options
    )
    file.write_bytes(whole.content)
    assert seconds_of(file, raw=fmt == "pcm") == pytest.approx(LONG_S / 2, abs=0.15)


@pytest.mark.parametrize("fmt", ALL_FORMATS)
def test_first_bytes_arrive_before_synthesis_ends(client: OpenAI, fmt: str) -> None:
    began_at = time.monotonic()
    with client.audio.speech.with_streaming_response.create(  # 100 steps of 20 ms: two seconds of work
        model="tone", voice="low", input=LONG, response_format=fmt, extra_body={"options": {"step_s": 0.02}}
    ) as response:
        arrivals = [(time.monotonic() - began_at, len(data)) for data in response.iter_bytes()]
    total_s = arrivals[-1][0]
    assert total_s > 1.5
    assert arrivals[0][0] < 0.5 * total_s
    in_the_first_half = sum(size for at_s, size in arrivals if at_s < 0.8 * total_s)
    assert in_the_first_half > 0.5 * sum(size for _, size in arrivals)


async def test_asynchronous_client_sends_concurrent_requests(gateway: Gateway) -> None:
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none", http_client=http) as client:

        async def speak(seed: int) -> bytes:
            async with client.audio.speech.with_streaming_response.create(
                model="tone", voice="alloy", input=LONG, response_format="pcm", extra_body={"seed": seed}
            ) as response:
                return await response.read()

        spoken = await asyncio.gather(*(speak(seed) for seed in (1, 2, 1, 2)))
    assert [len(audio) for audio in spoken] == [int(2 * 24000 * LONG_S)] * 4
    assert spoken[0] == spoken[2] != spoken[1] == spoken[3]


def test_pcm_is_resampled_to_openais_rate(tmp_path: Path) -> None:
    tone = {**TONE["engines"]["tone"], "model": {"sample_rate_hz": 44100}}
    aliases = {"models": {"tts-1-hd": "tone"}, "voices": {"nova": "high", "bella": {"tone": "high"}}}
    gateway = start_gateway(tmp_path, {**TONE, "engines": {"tone": tone}, "aliases": aliases})
    wait_ready(gateway)
    with client_of(gateway) as client:
        speech = client.audio.speech.create(model="tts-1-hd", voice="nova", input=LONG, response_format="pcm")
        assert speech.response.headers["x-voxgate-voice"] == "high"
        assert len(speech.content) / 2 / 24000 == pytest.approx(LONG_S, abs=0.01)
        assert [model.id for model in client.models.list()] == ["tone", "tts-1-hd", "default"]
        assert client.audio.speech.create(model="tts-1", voice="bella", input="x").content
    assert gateway.stop() == 0


def test_sse_events_carry_audio_and_usage(client: OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model="tone", voice="alloy", input=LONG, response_format="wav", stream_format="sse"
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert (len(audio) - 44) / 2 / 24000 == pytest.approx(LONG_S, abs=0.01)
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"] == {"input_tokens": 200, "output_tokens": 200, "total_tokens": 400}


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_synthesis_failure_breaks_the_response(client: OpenAI, stream_format: str) -> None:
    arguments = {"model": "tone", "voice": "alloy", "input": LONG, "stream_format": stream_format}
    with client.audio.speech.with_streaming_response.create(
        **arguments, extra_body={"options": {"fail_at": 5, "step_s": 0.02}}
    ) as response:
        if stream_format == "audio":
            with pytest.raises(Exception, match="incomplete chunked read"):
                response.read()
        else:
            *events, last = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
            assert {event["type"] for event in events} == {"speech.audio.delta"}
            assert (last["type"], last["error"]["type"]) == ("error", "server_error")
            assert "fail_at" in last["error"]["message"]


def test_client_disconnect_aborts_its_job(client: OpenAI, gateway: Gateway) -> None:
    for stream_format in ("audio", "sse"):
        with client.audio.speech.with_streaming_response.create(
            model="tone",
            voice="alloy",
            input=LONG,
            response_format="pcm",
            stream_format=stream_format,
            extra_body={"options": {"step_s": 0.1}},  # ten seconds of work
        ) as response:
            next(response.iter_bytes())
        began_at = time.monotonic()
        while gateway.client.get("/v1/engines/tone").json()["queue"]["active"]:
            assert time.monotonic() - began_at < 2, "the job still runs"
            time.sleep(0.02)


def test_errors_raise_the_clients_exceptions(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown_model:
        client.audio.speech.create(model="whisper-1", voice="alloy", input="x")
    error = unknown_model.value
    assert (error.param, error.code, error.type) == ("model", "model_not_found", "invalid_request_error")
    assert "must be one of default, lite, tone" in error.message
    assert error.request_id
    with pytest.raises(openai.NotFoundError) as unknown_voice:
        client.audio.speech.create(model="tone", voice="linus", input="x")
    assert (unknown_voice.value.param, unknown_voice.value.code) == ("voice", "voice_not_found")
    with pytest.raises(openai.BadRequestError) as too_fast:
        client.audio.speech.create(model="tone", voice="low", input="x", speed=9)
    assert (too_fast.value.param, too_fast.value.code) == ("speed", "invalid_value")
    with pytest.raises(openai.BadRequestError) as too_long:
        client.audio.speech.create(model="tone", voice="low", input="x" * 5001)
    assert too_long.value.param == "input"
    with pytest.raises(openai.BadRequestError) as bad_option:
        client.audio.speech.create(model="tone", voice="low", input="x", extra_body={"options": {"nois": 1}})
    assert bad_option.value.param == "options.nois"
    with pytest.raises(openai.InternalServerError) as failed:
        client.audio.speech.create(model="tone", voice="low", input="x", extra_body={"options": {"fail_at": 0}})
    assert (failed.value.status_code, failed.value.code) == (500, "synthesis_failed")


def test_full_queue_raises_rate_limit_error_and_is_retried(tmp_path: Path) -> None:
    tone = {**TONE["engines"]["tone"], "max_active": 1, "max_queue": 0}
    gateway = start_gateway(tmp_path, {**TONE, "engines": {"tone": tone}})
    wait_ready(gateway)
    with client_of(gateway) as client, client_of(gateway) as other:
        slow = {"options": {"step_s": 0.02}}  # two seconds of work
        arguments = {"model": "tone", "voice": "low", "input": LONG, "extra_body": slow}
        first = threading.Thread(target=lambda: other.audio.speech.create(**arguments))
        first.start()
        time.sleep(0.5)
        with pytest.raises(openai.RateLimitError) as refused:
            client.audio.speech.create(model="tone", voice="low", input="x")
        assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "rate_limit_error")
        assert int(refused.value.response.headers["retry-after"]) >= 1
        assert client.with_options(max_retries=5).audio.speech.create(model="tone", voice="low", input="x").content
        first.join()
    assert gateway.stop() == 0


def test_invalid_key_raises_authentication_error(tmp_path: Path) -> None:
    key = {"sha256": hashlib.sha256(b"vg-right").hexdigest(), "requests_per_minute": 2}
    gateway = start_gateway(tmp_path, {**TONE, "access": {"keys": {"ann": key}}})
    wait_ready(gateway)
    with client_of(gateway) as client:
        for ask in (client.models.list, lambda: client.audio.speech.create(model="tone", voice="low", input="x")):
            with pytest.raises(openai.AuthenticationError) as refused:
                ask()
            assert (refused.value.code, refused.value.type) == ("invalid_api_key", "invalid_request_error")
        right = client.with_options(api_key="vg-right")
        assert [model.id for model in right.models.list()] == ["tone", "default"]
        assert right.audio.speech.create(model="tone", voice="low", input="x").content
        with pytest.raises(openai.RateLimitError) as too_many:
            right.audio.speech.create(model="tone", voice="low", input="x")
        assert too_many.value.code == "rate_limit_exceeded"
        assert 1 <= int(too_many.value.response.headers["retry-after"]) <= 30
    assert gateway.stop() == 0


def test_models_are_listed_and_retrieved(client: OpenAI) -> None:
    models = client.models.list().data
    assert [(model.id, model.object, model.owned_by) for model in models] == [
        ("lite", "model", "voxgate"),
        ("tone", "model", "voxgate"),
        ("default", "model", "voxgate"),
    ]
    assert client.models.retrieve("tone") == models[1]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-5")


def test_custom_voice_is_created_and_used(tmp_path: Path, clip: bytes) -> None:
    gateway = start_gateway(tmp_path, TONE)
    wait_ready(gateway)
    with client_of(gateway) as client:
        voice = client.audio.voices.create(name="Ann", audio_sample=("ann.wav", clip, "audio/wav"), consent="cons_1234")
        assert (voice.object, voice.name, voice.type) == ("audio.voice", "Ann", "audio_sample")
        for name in ({"id": voice.id}, voice.id, "Ann"):
            speech = client.audio.speech.create(model="tone", voice=name, input="x", response_format="wav")
            assert speech.response.headers["x-voxgate-voice"] == "Ann"
        deleted = client.audio.voices.delete(voice.id)
        assert (deleted.id, deleted.deleted, deleted.object) == (voice.id, True, "audio.voice.deleted")
        with pytest.raises(openai.NotFoundError):
            client.audio.speech.create(model="tone", voice={"id": voice.id}, input="x")
        with pytest.raises(openai.BadRequestError) as prompted:
            client.audio.voices.create(name="Bob", type="prompt", prompt="a calm voice")
        assert prompted.value.param == "type"
    assert gateway.stop() == 0


def test_requests_of_open_webui_work(gateway: Gateway, tmp_path: Path) -> None:
    """Open WebUI fetches lists without an Authorization header; its TTS_OPENAI_PARAMS may add any field."""
    models = gateway.client.get("/v1/audio/models").json()["models"]
    voices = gateway.client.get("/v1/audio/voices").json()["voices"]
    assert {"id": "tone"} in models
    assert {"id": "low", "name": "low"} in voices
    for authorization in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer sk-none"}):
        for model in models:
            response = gateway.client.post(
                "/v1/audio/speech",
                json={"model": model["id"], "input": "Hello.", "voice": "alloy", "speed": 1.5, "lang_code": "en"},
                headers={"Content-Type": "application/json", **authorization},
            )
            assert response.status_code == 200, response.text
            assert response.headers["x-voxgate-ignored"] == "lang_code"
            (tmp_path / "speech.mp3").write_bytes(response.content)
            assert seconds_of(tmp_path / "speech.mp3") > 0.1
    refused = gateway.client.post("/v1/audio/speech", json={"model": "tone", "input": "x", "voice": "linus"})
    assert refused.status_code == 404
    assert "unknown voice 'linus'" in refused.json()["error"]["message"]


@pytest.fixture
def environment(gateway: Gateway) -> dict[str, str]:
    return {**os.environ, "OPENAI_BASE_URL": f"{gateway.url}/v1", "NO_PROXY": "*"}


def test_example_writes_a_file(environment: dict[str, str], tmp_path: Path) -> None:
    for file in ("one.mp3", "two.mp3", "hello.opus"):
        command = [sys.executable, EXAMPLES / "openai_speech.py", "Hello from Voxgate.", file]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
        assert 0.8 < seconds_of(tmp_path / file) < 3
    assert (tmp_path / "one.mp3").read_bytes() == (tmp_path / "two.mp3").read_bytes()


def test_code_in_the_documentation_runs(gateway: Gateway, tmp_path: Path) -> None:
    page = (ROOT / "docs/apis/openai.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    code = code.replace("http://localhost:8000", gateway.url)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "NO_PROXY": "*"}, check=True)
    assert 0.8 < seconds_of(tmp_path / "hello.mp3") < 3


def test_example_streams(environment: dict[str, str], gateway: Gateway) -> None:
    text = "The first sentence plays. The second is still being made."
    command = [sys.executable, EXAMPLES / "openai_stream.py", text]
    result = subprocess.run(command, env=environment, capture_output=True, check=True)
    spoken = gateway.client.post("/tts", json={"text": text, "sample_rate": 24000})
    assert len(result.stdout) / 2 == pytest.approx(len(read_audio(spoken.content)[0]), rel=0.05)
    assert b"first audio after" in result.stderr
