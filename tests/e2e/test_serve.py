"""``voxgate serve`` as a process, with real workers and sockets."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest
from support.gateway_process import TONE, Gateway, read_audio, start_gateway, wait_ready
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ALL_FORMATS = ["wav", "mp3", "flac", "opus", "aac", "pcm", "m4a", "webm", "mulaw", "alaw_wav"]
LONG = "This is a sentence. " * 10


def tone(text: str = LONG, **body: object) -> dict[str, object]:
    return {"text": text, "engine": "tone", **body}


def active_jobs(gateway: Gateway, engine: str = "tone") -> int:
    return gateway.client.get(f"/v1/engines/{engine}").json()["queue"]["active"]


def wait_idle(gateway: Gateway, timeout_s: float = 5) -> float:
    began_at = time.monotonic()
    while active_jobs(gateway):
        assert time.monotonic() - began_at < timeout_s, "the job still runs"
        time.sleep(0.02)
    return time.monotonic() - began_at


def test_first_request_of_the_readme_works(gateway: Gateway) -> None:
    response = gateway.client.post("/tts", json={"text": "Hello from Voxgate."})
    samples, rate = read_audio(response.content)
    assert rate == 24000
    assert 0.8 < len(samples) / rate < 3
    assert response.headers["x-voxgate-engine"] == "lite"
    again = gateway.client.post("/tts?engine=lite", json={"text": "Hello from Voxgate.", "seed": 1})
    assert again.content == gateway.client.post("/tts", json={"text": "Hello from Voxgate.", "seed": 1}).content


@pytest.mark.parametrize("fmt", ALL_FORMATS)
@pytest.mark.parametrize("stream", [False, True])
def test_ffmpeg_decodes_every_format_streamed_or_not(gateway: Gateway, tmp_path: Path, fmt: str, stream: bool) -> None:
    body = tone(format=fmt, stream=stream, seed=1)
    response = gateway.client.post("/tts", json=body)
    assert response.status_code == 200, response.text
    file = tmp_path / f"audio.{fmt}"
    file.write_bytes(response.content)
    raw = {"pcm": ["-f", "s16le", "-ar", "24000", "-ac", "1"], "mulaw": ["-f", "mulaw", "-ar", "8000", "-ac", "1"]}
    command = ["ffmpeg", "-v", "error", *raw.get(fmt, ()), "-i", str(file), "-f", "s16le", "-ar", "24000", "-"]
    decoded = subprocess.run(command, capture_output=True, check=True)
    seconds = len(decoded.stdout) / 2 / 24000
    assert seconds == pytest.approx(0.05 * len(LONG), abs=0.15)


@pytest.mark.parametrize("fmt", ALL_FORMATS)
def test_streamed_audio_arrives_during_synthesis(gateway: Gateway, fmt: str) -> None:
    # 100 steps of 20 ms: two seconds of work.
    with gateway.client.stream(
        "POST", "/tts", json=tone(format=fmt, stream=True, options={"step_s": 0.02})
    ) as response:
        began_at = time.monotonic()
        arrivals = [(time.monotonic() - began_at, len(data)) for data in response.iter_raw()]
    total_s = arrivals[-1][0]
    assert total_s > 1.5
    half = sum(size for _, size in arrivals) / 2
    received = 0
    for at_s, size in arrivals:
        received += size
        if received >= half:
            assert at_s < 0.8 * total_s, "half of the audio comes before the end"
            break


@pytest.mark.parametrize("stream", [True, False])
def test_client_disconnect_aborts_its_job(gateway: Gateway, stream: bool) -> None:
    wait_idle(gateway)
    body = tone(stream=stream, options={"step_s": 0.1})  # ten seconds of work
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        if stream:
            with client.stream("POST", "/tts", json=body) as response:
                audio = response.iter_raw()  # held: dropping the iterator would close the response
                next(audio)
                assert active_jobs(gateway) == 1
        else:
            with pytest.raises(httpx.ReadTimeout):
                client.post("/tts", json=body, timeout=0.5)
    assert wait_idle(gateway) < 2


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_client_that_hangs_up_during_its_body_is_not_an_internal_error(gateway: Gateway, content_type: str) -> None:
    url = httpx.URL(gateway.url)
    head = (
        f"POST /tts HTTP/1.1\r\nhost: 127.0.0.1\r\nx-request-id: gone-{content_type[:4]}\r\n"
        f"content-type: {content_type}\r\ncontent-length: 1000\r\n\r\n--x\r\n"
    )
    with socket.create_connection((url.host, url.port), timeout=10) as client:
        client.sendall(head.encode())
    deadline = time.monotonic() + 10
    lines: list[dict] = []
    while not lines and time.monotonic() < deadline:
        found = [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]
        lines = [line for line in found if line.get("request_id") == f"gone-{content_type[:4]}"]
        time.sleep(0.02)
    assert [(line["event"], line.get("status")) for line in lines] == [("request", 499)]


def test_client_disconnect_with_unread_audio_aborts_its_job(tmp_path: Path) -> None:
    gateway = start_gateway(tmp_path, {**TONE, "limits": {"text_chars": 100_000}})
    wait_ready(gateway)
    body = json.dumps(tone("x" * 20_000, stream=True, options={"step_s": 0.002})).encode()  # 20 s of work
    url = httpx.URL(gateway.url)
    with socket.create_connection((url.host, url.port)) as idle:
        head = "POST /tts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        idle.sendall(head.encode() + body)
        time.sleep(4)  # until all buffers are full and the gateway waits to write
        assert active_jobs(gateway) == 1
    assert wait_idle(gateway) < 1.5
    assert gateway.stop() == 0


def test_fast_engine_does_not_block_other_requests(tmp_path: Path) -> None:
    config = {**TONE, "engines": {"tone": {**TONE["engines"]["tone"], "max_active": 32}}}
    gateway = start_gateway(tmp_path, config)
    wait_ready(gateway)
    stop = threading.Event()
    waits: list[float] = []

    def probe() -> None:
        with httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) as client:
            while not stop.is_set():
                began_at = time.monotonic()
                client.get("/v1/engines/tone")
                waits.append(time.monotonic() - began_at)
                time.sleep(0.02)

    def listen() -> None:
        body = tone("x" * 2500, stream=True)
        with httpx.stream("POST", f"{gateway.url}/tts", json=body, timeout=60, trust_env=False) as response:
            for _ in response.iter_raw():
                pass

    threads = [threading.Thread(target=listen) for _ in range(12)]
    prober = threading.Thread(target=probe)
    prober.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    prober.join()
    # If the engine's messages block the event loop, it takes seconds; the bound leaves room for a busy machine.
    assert max(waits) < 1.0
    assert gateway.stop() == 0


def test_stream_that_fails_midway_is_broken_off(gateway: Gateway) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
        gateway.client.post("/tts", json=tone(stream=True, options={"fail_at": 5}))
    metrics = gateway.client.get("/metrics").text
    assert 'voxgate_errors_total{type="synthesis_failed"}' in metrics


def test_worker_crash_fails_its_request_and_the_engine_restarts(gateway: Gateway) -> None:
    response = gateway.client.post("/tts", json=tone(options={"crash_at": 1}))
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "synthesis_failed"
    assert gateway.client.post("/tts", json={"text": "Another engine is unharmed."}).status_code == 200
    deadline = time.monotonic() + 10
    while (response := gateway.client.post("/tts", json=tone("again"))).status_code != 200:
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        assert time.monotonic() < deadline
        time.sleep(0.05)
    restarts = 'voxgate_worker_restarts_total{engine="tone"} 1.0'
    assert restarts in gateway.client.get("/metrics").text


def test_concurrent_requests_return_the_audio_of_each_alone(gateway: Gateway) -> None:
    alone = {seed: gateway.client.post("/tts", json=tone(seed=seed)).content for seed in range(4)}
    results: dict[int, bytes] = {}

    def ask(number: int) -> None:
        with httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) as client:
            results[number] = client.post("/tts", json=tone(seed=number % 4)).content

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results[number] == alone[number % 4] for number in range(24))


def test_gateway_process_loads_no_model_runtime(gateway: Gateway) -> None:
    gateway.client.post("/tts", json={"text": "Hello."})
    maps = Path(f"/proc/{gateway.process.pid}/maps").read_text()
    for library in ("onnxruntime", "libtorch", "ctranslate2"):
        assert library not in maps
    worker_maps = [
        Path(f"/proc/{child.pid}/maps").read_text() for child in psutil.Process(gateway.process.pid).children()
    ]
    assert any("onnxruntime" in maps for maps in worker_maps), "the check finds a runtime in a worker"


def test_logs_are_json_with_request_ids(gateway: Gateway) -> None:
    gateway.client.post("/tts", json=tone("hi"), headers={"x-request-id": "find-me"})
    deadline, found = time.monotonic() + 10, []
    while not found and time.monotonic() < deadline:  # the line is written after the response
        lines = [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]
        found = [line for line in lines if line.get("request_id") == "find-me" and line["event"] == "request"]
    (line,) = found
    assert (line["path"], line["status"], line["level"]) == ("/tts", 200, "info")
    assert line["timestamp"]


def test_engine_is_unloaded_and_loaded_at_runtime(tmp_path: Path) -> None:
    gateway = start_gateway(tmp_path, TONE)
    wait_ready(gateway)
    assert gateway.client.post("/v1/engines/tone/unload").json()["state"] == "unloaded"
    response = gateway.client.post("/tts", json=tone("x"))
    assert response.status_code in (200, 503)  # the request loads the engine again
    gateway.client.post("/v1/engines/tone/load")
    wait_ready(gateway)
    assert gateway.client.post("/tts", json=tone("x")).status_code == 200
    assert gateway.stop() == 0


def test_first_request_waits_for_a_lazy_engine_and_its_progress_is_shown(tmp_path: Path) -> None:
    lazy = {"backend": "tone", "load": "lazy", "model": {"load_s": 2.0}}
    gateway = start_gateway(tmp_path, {**TONE, "engines": {"tone": lazy}})
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(gateway.client.post("/tts", json=tone("x"))))
    asking.start()
    stages = set()
    while asking.is_alive():
        engine = gateway.client.get("/v1/engines/tone").json()
        if engine["progress"]:
            stages.add(engine["progress"]["stage"])
            assert (engine["state"], engine["queue"]["waiting"]) == ("loading", 1)
        time.sleep(0.02)
    assert answers[0].status_code == 200
    assert stages == {"warming up"}
    log = gateway.log.read_text()
    assert '"event": "waiting for an engine"' in log
    assert log.count('"stage": "warming up"') == 1
    assert gateway.stop() == 0


def test_failed_load_ends_the_wait_with_the_reason(tmp_path: Path) -> None:
    failing = {"backend": "tone", "load": "lazy", "model": {"fail_load": True}, "backoff_s": 5}
    gateway = start_gateway(tmp_path, {**TONE, "engines": {"tone": failing}})
    response = gateway.client.post("/tts", json=tone("x"))
    assert response.status_code == 503
    assert "engine 'tone' is failed" in response.json()["error"]["message"]
    assert "fail_load is set" in response.json()["error"]["message"]
    assert 1 <= int(response.headers["retry-after"]) <= 5
    assert gateway.stop() == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_signal_lets_running_requests_finish(tmp_path: Path, sig: int) -> None:
    gateway = start_gateway(tmp_path, TONE)
    wait_ready(gateway)
    workers = psutil.Process(gateway.process.pid).children()
    answers: list[httpx.Response] = []

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) as client:
            answers.append(client.post("/tts", json=tone(stream=True, format="pcm", options={"step_s": 0.01})))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    assert gateway.stop(sig) == 0, gateway.log.read_text()
    thread.join()
    assert len(answers[0].content) == int(0.05 * len(LONG) * 24000) * 2
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive


def test_new_requests_are_refused_during_the_drain(tmp_path: Path) -> None:
    gateway = start_gateway(tmp_path, TONE)
    wait_ready(gateway)
    clients = [httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) for _ in range(4)]
    for client in clients:
        assert client.get("/health/ready").status_code == 200
    with connect(gateway.url.replace("http://", "ws://") + "/tts/stream", proxy=None) as talk:
        talk.send(json.dumps({"type": "start", "engine": "tone", "options": {"step_s": 0.1}}))
        assert json.loads(talk.recv(10))["type"] == "started"
        talk.send(json.dumps({"type": "text", "text": "A sentence that lasts for a while. And"}))
        assert json.loads(talk.recv(10))["type"] == "segment"
        gateway.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while clients[0].get("/health/ready").status_code == 200:
            assert time.monotonic() < deadline
        refused = clients[1].post("/tts", json={"text": "hi"})
        assert refused.status_code == 503
        assert refused.json()["error"]["type"] == "engine_unavailable"
        assert refused.headers["connection"] == "close"
        assert [clients[2].get("/ping").status_code, clients[3].get("/health/live").status_code] == [503, 200]
        spoken = 0
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = talk.recv(20)
                spoken += len(message) if isinstance(message, bytes) else 0
    assert talk.close_code == 1012  # service restart
    assert spoken > 0.05 * 30 * 24000, "the current sentence is finished"
    for client in clients:
        client.close()
    assert gateway.stop() == 0, gateway.log.read_text()


def test_drain_time_is_bounded(tmp_path: Path) -> None:
    gateway = start_gateway(tmp_path, {**TONE, "limits": {"drain_s": 1}})
    wait_ready(gateway)

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) as client, pytest.raises(httpx.HTTPError):
            client.post("/tts", json=tone(stream=True, options={"step_s": 1.0}))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(1.5)
    began_at = time.monotonic()
    gateway.stop()
    assert time.monotonic() - began_at < 8
    thread.join()


def test_invalid_configuration_ends_startup_with_a_message(tmp_path: Path) -> None:
    for change, message in (
        ({"prot": 1}, "prot: unknown key"),
        ({"default_engine": "tuba"}, "default_engine 'tuba' is not among engines: tone"),
        ({"engines": {"tone": {"backend": "tuba"}}}, "plugin 'tuba' is not installed; installed: f5, fish, lite, tone"),
    ):
        with pytest.raises(AssertionError) as caught:
            start_gateway(tmp_path, {**TONE, **change})
        assert message in str(caught.value).replace("\n", " ")


def test_port_in_use_ends_startup(gateway: Gateway, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"error: port \d+ is in use by process"):
        start_gateway(tmp_path, TONE, "--port", str(httpx.URL(gateway.url).port))
