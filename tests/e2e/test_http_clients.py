"""HTTP as clients and proxies really use it: offers of h2c, HTTP/1.0, HEAD, path prefixes, both address families."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from support.gateway_process import TONE, Gateway, read_audio, start_gateway, wait_ready
from websockets.sync.client import connect

BODY = json.dumps({"text": "Hello.", "seed": 1}).encode()
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
CLOSE = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway on both address families, behind a proxy's prefix."""
    config = {**TONE, "host": "::", "root_path": "/speech", "access": {"hosts": ["example.com"]}}
    running = start_gateway(tmp_path_factory.mktemp("gateway"), config)
    wait_ready(running)
    yield running
    assert running.stop() == 0, running.log.read_text()


def port_of(gateway: Gateway) -> int:
    port = httpx.URL(gateway.url).port
    assert port
    return port


def exchange(gateway: Gateway, *pieces: bytes) -> bytes:
    """Send the pieces as packets; return everything received until the gateway closes the connection."""
    with socket.create_connection(("127.0.0.1", port_of(gateway)), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.005 if len(pieces) > 1 else 0)
        return b"".join(iter(lambda: client.recv(65536), b""))


def spoken(gateway: Gateway, **fields: object) -> bytes:
    answer = gateway.client.post("/tts", json={**json.loads(BODY), **fields})
    assert answer.status_code == 200, answer.text
    return answer.content


def post(*headers: bytes, body: bytes = BODY) -> bytes:
    framing = b"Content-Length: %d\r\n" % len(body)
    head = b"POST /tts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head + framing + b"".join(headers) + b"\r\n" + body


@pytest.mark.parametrize(
    "offer",
    [
        OFFER,
        OFFER.lower(),
        b"Connection: upgrade\r\nUpgrade: h2c\r\n",
        b"Connection: Upgrade\r\nConnection: HTTP2-Settings\r\nUpgrade: h2c\r\n",
        b"Upgrade: TLS/1.0, HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n",
        b"Connection: Upgrade\r\nUpgrade: something\r\n",
    ],
)
def test_request_that_offers_an_upgrade_is_answered_over_http_1_1(gateway: Gateway, offer: bytes) -> None:
    answer = exchange(gateway, post(offer) + CLOSE)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer[:500]
    assert spoken(gateway) in answer
    assert b'"service":"voxgate"' in answer, "the connection stays usable"


@pytest.mark.parametrize("size", [1, 7, 100])
def test_offer_is_ignored_in_any_packets(gateway: Gateway, size: int) -> None:
    message = post(OFFER) + CLOSE
    answer = exchange(gateway, *(message[start : start + size] for start in range(0, len(message), size)))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer[:500]
    assert spoken(gateway) in answer


def test_offer_with_a_chunked_body_is_ignored(gateway: Gateway) -> None:
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    head = b"POST /tts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    answer = exchange(gateway, head + OFFER + b"\r\n" + chunks + CLOSE)
    assert spoken(gateway) in answer


def test_offer_with_expect_100_continue_is_ignored(gateway: Gateway) -> None:
    message = post(OFFER, b"Expect: 100-continue\r\n")
    answer = exchange(gateway, message[: -len(BODY)], BODY, CLOSE)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), answer[:500]


def test_connection_close_beside_an_offer_closes_the_connection(gateway: Gateway) -> None:
    answer = exchange(gateway, post(OFFER.replace(b"HTTP2-Settings\r\n", b"HTTP2-Settings, close\r\n")))
    assert b"connection: close\r\n" in answer
    assert spoken(gateway) in answer


def test_many_pipelined_offers_are_answered_quickly(gateway: Gateway) -> None:
    began_at = time.monotonic()
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    answer = exchange(gateway, request * 3000 + CLOSE)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3001
    assert time.monotonic() - began_at < 10


def test_connect_is_refused(gateway: Gateway) -> None:
    assert exchange(gateway, b"CONNECT x:1 HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_large_head_with_an_offer_gets_431(gateway: Gateway) -> None:
    answer = exchange(gateway, post(OFFER, b"x: " + b"y" * 70_000 + b"\r\n", body=b""))
    assert answer.startswith(b"HTTP/1.1 431 "), answer[:200]


def test_curl_that_offers_http2_gets_its_audio(gateway: Gateway, tmp_path: Path) -> None:
    for further in ([], ["-H", "transfer-encoding: chunked"]):
        file = tmp_path / "audio.wav"
        url = f"http://127.0.0.1:{port_of(gateway)}/tts"
        command = ["curl", "-sS", "--fail-with-body", "--noproxy", "*", "--http2", url, "-d", BODY.decode()]
        headers = ["-H", "content-type: application/json", *further]
        subprocess.run([*command, *headers, "-o", str(file)], check=True, timeout=60)
        assert file.read_bytes() == spoken(gateway)


JAVA = """
import java.net.URI; import java.net.http.*; import java.nio.file.*;
public class Client { public static void main(String[] given) throws Exception {
  HttpRequest request = HttpRequest.newBuilder(URI.create(given[0])).header("Content-Type", "application/json")
    .POST(HttpRequest.BodyPublishers.ofString(given[1])).build();
  HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();
  for (int turn = 0; turn < 2; turn++) {
    HttpResponse<byte[]> answer = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
    System.out.println(answer.statusCode() + " " + answer.version());
    Files.write(Path.of(given[2]), answer.body());
  } } }
"""


@pytest.mark.skipif(shutil.which("java") is None, reason="needs java")
def test_java_client_with_its_defaults_gets_its_audio(gateway: Gateway, tmp_path: Path) -> None:
    source, file = tmp_path / "Client.java", tmp_path / "audio.wav"
    source.write_text(JAVA)
    url = f"http://127.0.0.1:{port_of(gateway)}/tts"
    command = ["java", str(source), url, BODY.decode(), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "200 HTTP_1_1\n" * 2, done.stderr
    assert file.read_bytes() == spoken(gateway)


def request_1_0(path: str, **fields: object) -> bytes:
    body = json.dumps(fields).encode()
    head = f"POST {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("fmt", ["wav", "mp3", "pcm"])
def test_http_1_0_client_gets_streamed_audio_without_chunk_sizes(gateway: Gateway, fmt: str) -> None:
    fields = {"text": "Hello from a stream. This is the second.", "stream": True, "seed": 1, "format": fmt}
    head, _, body = exchange(gateway, request_1_0("/tts", **fields)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"\r\nconnection: close" in head
    assert body == spoken(gateway, **fields)


def test_http_1_0_client_gets_events_without_chunk_sizes(gateway: Gateway) -> None:
    fields = {"input": "Hello.", "stream_format": "sse", "response_format": "pcm"}
    _, _, body = exchange(gateway, request_1_0("/v1/audio/speech", **fields)).partition(b"\r\n\r\n")
    events = body.decode().split("\n\n")
    assert events.pop() == ""
    assert json.loads(events[-1].removeprefix("data: "))["type"] == "speech.audio.done"


def test_http_1_0_client_gets_complete_answers_and_errors(gateway: Gateway) -> None:
    head, _, body = exchange(gateway, request_1_0("/tts", text="Hello.", seed=1)).partition(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % len(body) in head
    assert body == spoken(gateway)
    assert exchange(gateway, request_1_0("/tts")).startswith(b"HTTP/1.1 422 ")
    assert exchange(gateway, b"HEAD /health HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")


def test_http_1_0_connection_closes_after_a_failed_stream(gateway: Gateway) -> None:
    fields = {"text": "x" * 40, "stream": True, "format": "pcm", "seed": 1}
    answer = exchange(gateway, request_1_0("/tts", **fields, options={"fail_at": 10}))
    body = answer.partition(b"\r\n\r\n")[2]
    assert 0 < len(body) < len(spoken(gateway, **fields))


def test_streams_ask_proxies_not_to_buffer(gateway: Gateway) -> None:
    for path, fields in (
        ("/tts", {"text": "Hello.", "stream": True}),
        ("/v1/audio/speech", {"input": "Hello."}),
        ("/v1/audio/speech", {"input": "Hello.", "stream_format": "sse"}),
        ("/v1/tts", {"text": "Hello.", "format": "mp3"}),
    ):
        assert gateway.client.post(path, json=fields).headers["x-accel-buffering"] == "no"
    assert "x-accel-buffering" not in gateway.client.post("/tts", json={"text": "Hello."}).headers


def test_both_address_families_are_served(gateway: Gateway) -> None:
    for host in ("127.0.0.1", "[::1]"):
        assert httpx.get(f"http://{host}:{port_of(gateway)}/health", trust_env=False).status_code == 200


def test_used_port_of_both_families_is_one_line_and_status_1(gateway: Gateway, tmp_path: Path) -> None:
    config = {**TONE, "data_dir": str(tmp_path)}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    arguments = ["serve", "-c", str(tmp_path / "c.yaml"), "--host", "::", "--port", str(port_of(gateway))]
    done = subprocess.run([sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"port {port_of(gateway)} is in use by process " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("prefix", ["", "/speech"])
def test_documentation_works_whether_the_proxy_removes_the_prefix_or_not(gateway: Gateway, prefix: str) -> None:
    """The links of the page have the prefix; the proxy removes it again or passes it on."""
    page = gateway.client.get(f"{prefix}/docs").text
    links = re.findall(r"""(?:href=|src=|url: )["']([^"']+)""", page)
    assert len(links) == 4
    for link in links:
        assert link.startswith("/speech/")
        assert gateway.client.get(prefix + link.removeprefix("/speech")).status_code == 200, link
    for path in ("/openapi.json", "/docs/json"):
        assert gateway.client.get(prefix + path).json()["servers"] == [{"url": "/speech"}]
    assert gateway.client.get(f"{prefix}/docs/").headers["location"] == "/speech/docs"


@pytest.mark.parametrize("prefix", ["", "/speech"])
def test_requests_and_links_work_below_a_prefix(gateway: Gateway, prefix: str, clip: bytes) -> None:
    assert gateway.client.post(f"{prefix}/tts", content=BODY).content == spoken(gateway)
    assert gateway.client.get(f"{prefix}/tts?text=Hello.&seed=1").content == spoken(gateway)
    stored = gateway.client.post(f"{prefix}/v1/voices", data={"name": "Ann"}, files={"audio": clip})
    assert stored.status_code in (200, 201), stored.text
    # A proxy on this machine is trusted over IPv4 too.
    head = f"GET {prefix}/model/Ann HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-Proto: https\r\nConnection: close"
    shown = exchange(gateway, f"{head}\r\n\r\n".encode()).partition(b"\r\n\r\n")[2]
    link = json.loads(shown)["samples"][0]["audio"]
    assert link.startswith("https://example.com/speech/v1/voices/")
    read_audio(gateway.client.get(link.removeprefix("https://example.com")).content)
    with connect(f"ws://127.0.0.1:{port_of(gateway)}{prefix}/tts/stream", proxy=None):
        pass


def test_path_that_only_begins_like_the_prefix_is_unknown(gateway: Gateway) -> None:
    for path in ("/speechless", "/speech/speech/health", "/speechhealth", "//speech/health"):
        assert httpx.get(f"{gateway.url}{path}", trust_env=False).status_code == 404, path


def test_every_get_route_answers_head_without_body(gateway: Gateway) -> None:
    paths = [path for path, methods in gateway.client.get("/openapi.json").json()["paths"].items() if "get" in methods]
    assert len(paths) > 15
    assert {"/health", "/v1/models", "/metrics", "/tts"} < set(paths)
    for path in [*paths, "/docs", "/openapi.json", "/docs/", "/docs/json", "/static-offline-docs/favicon.png"]:
        url = path.format(name="tone", model_id="tone", voice_id="none") + ("?text=Hello." if path == "/tts" else "")
        got, head = gateway.client.get(url), gateway.client.head(url)
        assert head.status_code == got.status_code, url
        assert head.headers.get("content-type") == got.headers.get("content-type"), url
        assert head.content == b""
        message = f"HEAD {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        assert exchange(gateway, message).endswith(b"\r\n\r\n"), url
    refused = gateway.client.head("/v1/audio/speech")
    assert refused.status_code == 405


def test_health_is_liveness(gateway: Gateway) -> None:
    answer = gateway.client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == gateway.client.get("/health/live").json()
