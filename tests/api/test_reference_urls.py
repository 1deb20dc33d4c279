"""Reference clips by URL, from a server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.app import in_memory

from gateway.errors import InvalidRequest
from gateway.reference_urls import ReferenceUrls
from gateway.service.clip_urls import ClipUrls, as_url, is_public

LIMIT = 100_000


class FileServer:
    """Serves fixed responses over plain HTTP and records the requests.

    :ivar answers: raw responses by path; other paths never answer.
    """

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.heads: list[str] = []
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            if (answer := self.answers.get(head.split()[1])) is None:
                await asyncio.sleep(30)
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()

    def add(self, path: str, body: bytes = b"", status: str = "200 OK", **headers: str) -> None:
        fields = {"Content-Length": str(len(body)), "Connection": "close", **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value)
        self.answers[path] = f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    files = FileServer()
    listening = await asyncio.start_server(files.handle, "127.0.0.1", 0)
    files.port = listening.sockets[0].getsockname()[1]
    yield files
    listening.close()


def urls(server: FileServer, timeout_s: float = 5.0) -> ClipUrls:
    settings = ReferenceUrls(hosts=(f"http://localhost:{server.port}",), timeout_s=timeout_s)
    return ClipUrls(settings, LIMIT, is_allowed=lambda address: True)


async def refusal(clips: ClipUrls, url: str) -> str:
    with pytest.raises(InvalidRequest) as caught:
        await clips.fetch(url, "reference_audio")
    assert caught.value.param == "reference_audio"
    return caught.value.message


async def test_file_of_a_listed_host_is_downloaded(server: FileServer) -> None:
    server.add("/a.wav?x=1", b"audio")
    assert await urls(server).fetch(f"http://localhost:{server.port}/a.wav?x=1#t", "audio") == b"audio"
    assert f"Host: localhost:{server.port}".lower() in server.heads[0].lower()
    assert "cookie" not in server.heads[0].lower()


async def test_redirects_stay_on_the_host(server: FileServer) -> None:
    base = f"http://localhost:{server.port}"
    server.add("/near", status="302 Found", Location="/a.wav")
    server.add("/a.wav", b"audio")
    server.add("/far", status="302 Found", Location=f"http://127.0.0.1:{server.port}/a.wav")
    server.add("/round", status="302 Found", Location="/round")
    clips = urls(server)
    assert await clips.fetch(f"{base}/near", "audio") == b"audio"
    assert "not in reference_urls.hosts" in await refusal(clips, f"{base}/far")
    assert "more than 3 times" in await refusal(clips, f"{base}/round")
    everywhere = ClipUrls(
        ReferenceUrls(hosts=(f"http://localhost:{server.port}", f"http://127.0.0.1:{server.port}")),
        LIMIT,
        lambda _: True,
    )
    assert "another host" in await refusal(everywhere, f"{base}/far")


async def test_size_time_and_status_are_limited(server: FileServer) -> None:
    base = f"http://localhost:{server.port}"
    server.add("/large", b"x" * (LIMIT + 1))
    server.add("/endless", b"x" * (LIMIT + 1), Content_Length="")
    server.add("/gone", status="404 Not Found")
    clips = urls(server)
    assert f"more than limits.body_bytes = {LIMIT}" in await refusal(clips, f"{base}/large")
    assert f"more than limits.body_bytes = {LIMIT}" in await refusal(clips, f"{base}/endless")
    assert "status 404" in await refusal(clips, f"{base}/gone")
    assert "within reference_urls.timeout_s = 0.3 s" in await refusal(urls(server, timeout_s=0.3), f"{base}/silent")


async def test_host_with_a_private_address_is_refused_although_it_is_listed(server: FileServer) -> None:
    hosts = (f"http://localhost:{server.port}", "169.254.169.254", "http://127.1", "http://0x7f000001")
    clips = ClipUrls(ReferenceUrls(hosts=hosts), LIMIT)
    targets = (
        f"http://localhost:{server.port}/a",
        "https://169.254.169.254/a",
        "http://127.1/a",
        "http://0x7f000001/a",
    )
    for url in targets:
        message = await refusal(clips, url)
        assert "private or reserved address" in message or "cannot be resolved" in message
    assert not server.heads


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/a.wav",
        "http://media.example.com/a.wav",
        "https://media.example.com:8443/a.wav",
        "https://media.example.com@other.example/a.wav",
        "https://media.example.com.other.example/a.wav",
        "https://cdn.example/a.wav",
        "https://evilcdn.example/a.wav",
        "https://[::1/a.wav",
        "https:///a.wav",
        "https://media.example.com/a b",
        "https://media.example.com/\r\nX: y",
        "https://media.example.com/" + "a" * 3000,
    ],
)
async def test_url_outside_the_allow_list_is_refused_unresolved(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = ClipUrls(ReferenceUrls(hosts=("media.example.com", "*.cdn.example")), LIMIT)
    monkeypatch.setattr(clips, "_resolve", None)
    assert "URL" in await refusal(clips, url)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        *(
            (address, False)
            for address in (
                *("127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
                *("224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0", "fd00::1", "ff02::1"),
                *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:169.254.169.254"),
            )
        ),
    ],
)
def test_only_public_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_only_urls_are_taken_for_urls() -> None:
    assert as_url(b"HTTPS://a.example/x") == "HTTPS://a.example/x"
    assert as_url(b"RIFF....WAVE") is None
    assert as_url(b"https") is None


async def test_every_api_refuses_urls_by_default_and_downloads_from_listed_hosts(
    tmp_path: Path, server: FileServer, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://localhost:{server.port}/a.wav"
    server.add("/a.wav", clip)
    bodies = [
        ("/tts", {"text": "x", "reference_audio": url, "reference_text": "hm"}),
        ("/v1/audio/speech", {"model": "fake", "input": "x", "reference_audio": url, "reference_text": "hm"}),
        ("/v1/tts", {"text": "x", "references": [{"audio": url, "text": "hm"}]}),
    ]
    off = in_memory(tmp_path / "off")
    for path, body in bodies:
        answer = await off.client.post(path, json=body)
        assert answer.status_code in (400, 422), answer.text
        assert "reference_urls.hosts" in answer.text
    on = in_memory(tmp_path / "on", settings={"reference_urls": {"hosts": [f"http://localhost:{server.port}"]}})
    for path, body in bodies:
        assert "private or reserved" in (await on.client.post(path, json=body)).text
    monkeypatch.setattr(on.app.state.services.clips._urls, "_is_allowed", lambda address: True)
    for path, body in bodies:
        answer = await on.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        job = on.engine.jobs[-1]
        assert job.reference is not None
        assert len(job.reference.audio) == 32000
    stored = await on.client.post("/v1/voices", files={"name": (None, "mine"), "audio": (None, url)})
    assert stored.status_code == 201, stored.text
