"""boto3's client with a running gateway, and the container as SageMaker starts it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import EventStreamError
from support.gateway_process import Gateway, read_audio
from support.sagemaker_runtime import runtime
from websockets.sync.client import connect

EXAMPLE = Path(__file__).parents[2] / "examples/sagemaker_invoke.py"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture
def endpoint(gateway: Gateway) -> Iterator[str]:
    with runtime(gateway.url) as url:
        yield url


@pytest.fixture
def client(endpoint: str) -> Iterator[Any]:
    made = boto3.client(
        "sagemaker-runtime",
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"max_attempts": 0}, proxies={}),
    )
    yield made
    made.close()


def invoke(client: Any, body: object, **parameters: str) -> Any:
    if not isinstance(body, (str, bytes)):
        body, parameters = json.dumps(body), {"ContentType": "application/json", **parameters}
    return client.invoke_endpoint(EndpointName="voxgate", Body=body, **parameters)


def test_json_request_returns_a_wav_file(client: Any, gateway: Gateway) -> None:
    body = {"text": "hello", "engine": "tone", "seed": 1}
    answer = invoke(client, body)
    assert answer["ContentType"] == "audio/wav"
    assert answer["InvokedProductionVariant"] == "primary"
    data = answer["Body"].read()
    assert len(read_audio(data)[0]) == 5 * 0.05 * 24000
    assert data == gateway.client.post("/tts", json=body).content


def test_text_request_with_attributes_and_accept(client: Any, gateway: Gateway) -> None:
    attributes = "engine=tone,voice=high; seed=3;sample_rate=16000"
    answer = invoke(
        client, "from plain text", ContentType="text/plain", Accept="audio/flac", CustomAttributes=attributes
    )
    assert answer["ContentType"] == "audio/flac"
    assert answer["CustomAttributes"] == attributes
    same = {"text": "from plain text", "engine": "tone", "voice": "high", "seed": 3, "sample_rate": 16000}
    assert answer["Body"].read() == gateway.client.post("/tts", json={**same, "format": "flac"}).content


@pytest.mark.parametrize(
    ("body", "parameters", "status", "param"),
    [
        ({"text": "x", "voise": "a"}, {}, 422, "voise"),
        ({"text": "x", "engine": "tuba"}, {}, 404, "engine"),
        ({"text": "x"}, {"Accept": "image/png"}, 406, "Accept"),
        ({"text": "x"}, {"CustomAttributes": "voise=a"}, 422, "X-Amzn-SageMaker-Custom-Attributes"),
        (b"\x00", {"ContentType": "application/octet-stream"}, 415, None),
        ({"text": "x", "engine": "tone", "options": {"fail_at": 0}}, {}, 500, None),
    ],
)
def test_errors_arrive_as_model_errors(
    client: Any, body: object, parameters: dict[str, str], status: int, param: str | None
) -> None:
    with pytest.raises(client.exceptions.ModelError) as caught:
        invoke(client, body, **parameters)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert caught.value.response["OriginalStatusCode"] == status
    error = json.loads(caught.value.response["OriginalMessage"])["error"]
    assert error["param"] == param
    assert error["message"]


def stream(client: Any, text: str, attributes: str = "stream=true", **body: object) -> tuple[Any, Iterator[bytes]]:
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName="voxgate",
        ContentType="application/json",
        Accept="audio/pcm",
        CustomAttributes=attributes,
        Body=json.dumps({"text": text, "engine": "tone", "seed": 1, **body}),
    )

    def parts() -> Iterator[bytes]:
        with contextlib.closing(answer["Body"]) as events:
            for event in events:
                yield event["PayloadPart"]["Bytes"]

    return answer, parts()


def test_response_stream_carries_audio_during_synthesis(client: Any, gateway: Gateway) -> None:
    text = "x" * 60  # 30 steps of 50 ms
    answer, parts = stream(client, text, options={"step_s": 0.05})
    assert answer["ContentType"] == "audio/pcm;rate=24000;channels=1"
    assert answer["CustomAttributes"] == "stream=true"
    began_at = time.monotonic()
    arrivals = [(time.monotonic() - began_at, part) for part in parts]
    assert arrivals[0][0] < arrivals[-1][0] / 2
    assert arrivals[-1][0] > 1.0
    whole = {"text": text, "engine": "tone", "seed": 1, "format": "pcm"}
    assert b"".join(part for _, part in arrivals) == gateway.client.post("/tts", json=whole).content


def test_broken_stream_is_a_stream_error(client: Any) -> None:
    answer, parts = stream(client, "x" * 40, options={"fail_at": 5, "step_s": 0.02})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    received = []
    with pytest.raises(EventStreamError, match="ModelStreamError"):
        received.extend(parts)
    assert received


def test_errors_before_the_first_byte_of_a_stream_are_model_errors(client: Any) -> None:
    with pytest.raises(client.exceptions.ModelError) as caught:
        stream(client, "x", attributes="stream=perhaps")
    assert caught.value.response["OriginalStatusCode"] == 422


def test_example_runs(endpoint: str, tmp_path: Path) -> None:
    environment = {**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint}
    command = [sys.executable, EXAMPLE, "voxgate", "A short sentence."]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "audio/pcm;rate=24000" in result.stdout
    assert (tmp_path / "whole.mp3").read_bytes()[:2] == b"\xff\xf3"
    assert len((tmp_path / "streamed.pcm").read_bytes()) > 24000


def test_bidirectional_stream_takes_text_and_returns_audio(gateway: Gateway) -> None:
    # SageMaker sends the parts of its stream as fragments: PARTIAL ones belong to one message.
    address = gateway.url.replace("http://", "ws://") + "/invocations-bidirectional-stream"
    start = {"type": "start", "engine": "tone", "seed": 1, "format": "pcm"}
    events: list[dict[str, Any]] = []
    audio = b""
    with connect(address, proxy=None) as socket:
        socket.send(json.dumps(start))
        socket.send(['{"type": "text", ', '"text": "One sentence. ', 'Another one."}'])
        socket.send(b'{"type": "end"}')
        assert socket.ping().wait(5), "SageMaker closes a connection that answers no pings"
        for message in socket:
            if isinstance(message, bytes):
                audio += message
            else:
                events.append(json.loads(message))
        assert socket.close_code == 1000
    assert (events[0]["type"], events[0]["sample_rate"], events[-1]["type"]) == ("started", 24000, "finished")
    assert len(audio) / 2 / 24000 == pytest.approx(events[-1]["duration_ms"] / 1000)
    assert len(audio) > 24000


# ---- container


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_container(folder: Path, archive: dict[str, Any] | None, **env: str) -> Gateway:
    """Start the gateway as `docker run IMAGE serve` does: with the image's variables and one argument."""
    model = folder / "model"
    model.mkdir()
    if archive is not None:
        (model / "voxgate.yaml").write_text(yaml.safe_dump(archive))
        (model / "weights").mkdir()
        (model / "weights/tone.bin").write_bytes(b"weights")
    log = folder / "serve.log"
    port = free_port()
    image = {"VOXGATE_SAGEMAKER": "true", "VOXGATE_DATA_DIR": str(folder / "data"), "VOXGATE_HOST": "127.0.0.1"}
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--model-dir", model],
            stderr=stream,
            text=True,
            env={**os.environ, **image, "SAGEMAKER_BIND_TO_PORT": str(port), **env},
        )
    deadline = time.monotonic() + 30
    while "listening on" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return Gateway(process, f"http://127.0.0.1:{port}", log)


def test_container_uses_the_archives_configuration(tmp_path: Path) -> None:
    engine = {"backend": "tone", "load": "eager", "model": {"load_s": 1.0, "checkpoint": "weights/tone.bin"}}
    container = start_container(tmp_path, {"default_engine": "tone", "engines": {"tone": engine}})
    statuses = []
    deadline = time.monotonic() + 30
    while not statuses or statuses[-1] != 200:
        assert time.monotonic() < deadline, container.log.read_text()
        began_at = time.monotonic()
        statuses.append(container.client.get("/ping").status_code)
        assert time.monotonic() - began_at < 2
        time.sleep(0.05)
    assert set(statuses) == {503, 200}
    assert container.client.get("/v1/engines").json()["default"] == "tone"
    answers: list[httpx.Response] = []

    def ask() -> None:
        body = {"text": "x" * 40, "stream": True, "options": {"step_s": 0.1}}
        with httpx.Client(base_url=container.url, timeout=60, trust_env=False) as client:
            answers.append(client.post("/invocations", json=body, headers={"Accept": "audio/pcm"}))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    began_at = time.monotonic()
    assert container.stop() == 0, container.log.read_text()
    assert time.monotonic() - began_at < 30
    thread.join()
    assert len(answers[0].content) == 40 * 0.05 * 24000 * 2, "a request that runs at SIGTERM is finished"


def test_container_without_an_archive_uses_lite(tmp_path: Path) -> None:
    container = start_container(tmp_path, None)
    deadline = time.monotonic() + 60
    while container.client.get("/ping").status_code != 200:
        assert time.monotonic() < deadline, container.log.read_text()
        time.sleep(0.05)
    spoken = container.client.post("/invocations", content=b"Hello.", headers={"Content-Type": "text/plain"})
    assert spoken.headers["x-voxgate-engine"] == "lite"
    assert container.stop() == 0, container.log.read_text()


def test_image_has_sagemakers_labels() -> None:
    dockerfile = (Path(__file__).parents[2] / "Dockerfile").read_text()
    stage = re.search(r"^FROM \S+ AS sagemaker\n(.*?)(?=^FROM|\Z)", dockerfile, re.MULTILINE | re.DOTALL)
    assert stage
    for capability in ("accept-bind-to-port", "bidirectional-streaming"):
        assert f"com.amazonaws.sagemaker.capabilities.{capability}=true" in stage[1]
    assert "VOXGATE_SAGEMAKER=true" in stage[1]
    assert 'ENTRYPOINT ["voxgate"]' in dockerfile
