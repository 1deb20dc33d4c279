"""Malformed responses are skipped like dead endpoints, within the time limits."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable

import pytest
from support.hub.content import REPO, HubFor, files
from support.hub.fake_hub import FakeHub
from support.hub.raw_server import Script, answer, answering

from backends.hub import BadHubSettings, Endpoint, EndpointsFailed, RevisionNotFound
from backends.hub.errors import Broken, IntegrityError, Stalled

CONTENT = files()["base/model.safetensors"]


def weights(hub: FakeHub) -> str:
    """Pinned, so that the listing is the first request."""
    return f"hf://{REPO}/base/model.safetensors@{hub.repos[REPO].refs['main']}"


def entry(path: str, **changed: object) -> dict[str, object]:
    return {"type": "file", "path": path, "size": 1, "oid": "a" * 40} | changed


def listing(*entries: object, **headers: str) -> Script:
    return answer(json.dumps(entries).encode(), **headers)


def redirect(target: str) -> Script:
    return answer(status="302 Found", Location=target)


@pytest.mark.parametrize(
    "script",
    [
        redirect(f"http://{'a' * 64}.example/"),
        redirect("http://a..b/"),
        redirect("http://127.0.0.1:99999/"),
        redirect("http://[::1/"),
        listing(entry("a"), Link='<http://[x>; rel="next"'),
        answer(b"[" * 200_000),
        listing(entry("\ud800")),
        listing(entry("a/" + "b" * 300)),
        listing(entry("a/" * 1500 + "b")),
        listing(entry("a\x1b[2J")),
        listing(entry("a"), entry("a/b")),
        listing(entry("a"), entry("a")),
        listing(entry("a", oid="../" * 13 + "a")),
        listing(entry("a", oid=["a"])),
        listing(entry("a", size=True)),
        listing(entry("a", size=-1)),
        listing(entry("a", size=10**40)),
        listing(entry("a", lfs={"oid": "../secret", "size": 1})),
        listing("a"),
        listing(entry("a"), Content_Encoding="br"),
    ],
)
def test_malformed_response_is_skipped(official: FakeHub, hub_for: HubFor, script: Script) -> None:
    with answering(script) as odd:
        with pytest.raises(EndpointsFailed) as caught:
            hub_for(odd).fetch(weights(official))
        # httpx reports some URLs as a protocol error.
        assert isinstance(caught.value.failures[0][1], IntegrityError | Broken)
        assert str(caught.value).isascii()
        assert len(str(caught.value)) < 1000
        assert hub_for(odd, official).fetch(weights(official)).path.read_bytes() == CONTENT


def test_compressed_response_is_rejected(official: FakeHub, hub_for: HubFor) -> None:
    packed = gzip.compress(gzip.compress(b"[" + b" " * 30_000_000 + b"]"))
    assert len(packed) < 1000
    script = answer(packed, Content_Encoding="gzip, gzip")
    with answering(script) as odd, pytest.raises(EndpointsFailed, match=r"compressed \(gzip, gzip\)"):
        hub_for(odd).fetch(weights(official))


def test_server_text_is_shortened_and_stripped_of_control_characters(official: FakeHub, hub_for: HubFor) -> None:
    script = answer(status="418 No", X_Error_Message="\x1b[2J" + "no " * 1000)
    with answering(script) as odd, pytest.raises(EndpointsFailed) as caught:
        hub_for(odd).fetch(weights(official))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 600


def drip(start: bytes, more: bytes) -> Script:
    def script(connection: socket.socket, path: str) -> None:
        connection.sendall(start)
        until_s = time.monotonic() + 30
        while time.monotonic() < until_s:
            connection.sendall(more)
            time.sleep(0.1)

    return script


@pytest.mark.parametrize(
    "script",
    [
        drip(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x"),
        drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n[", b" "),
        drip(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[", b" "),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    ],
    ids=["header", "hints", "body", "body without a length", "chunk's extension"],
)
@pytest.mark.parametrize("for_file", [False, True], ids=["listing", "file"])
def test_dripping_response_is_cut_off(official: FakeHub, hub_for: HubFor, script: Script, for_file: bool) -> None:
    def only_files(connection: socket.socket, path: str) -> None:
        missing = answer(status="404 Not Found", X_Error_Code="RevisionNotFound")
        (missing if for_file and "/resolve/" not in path else script)(connection, path)

    with answering(only_files) as odd:
        hub = hub_for(odd, official, connect_timeout_s=0.3, metadata_timeout_s=0.4, stall_timeout_s=0.4)
        started_s = time.monotonic()
        assert hub.fetch(weights(official)).path.read_bytes() == CONTENT
        assert time.monotonic() - started_s < 4


def test_dripping_response_is_named_in_the_error(official: FakeHub, hub_for: HubFor) -> None:
    script = drip(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x")
    with answering(script) as odd, pytest.raises(EndpointsFailed, match="drips its response") as caught:
        hub_for(odd, attempts=1).fetch(weights(official))
    assert isinstance(caught.value.failures[0][1], Stalled)


def test_callers_exception_is_not_attributed_to_the_endpoint(official: FakeHub, hub_for: HubFor) -> None:
    def stop(stage: str, done: int, total: int | None) -> None:
        if done:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        hub_for(official).fetch(weights(official), stop)


def slowly(number: int) -> list[object]:
    time.sleep(0.1)
    return [entry(str(number))]


def pages(make: Callable[[int], list[object]]) -> Script:
    """A listing in which each page links to another one."""
    asked = iter(range(10**9))

    def script(connection: socket.socket, path: str) -> None:
        number = next(asked)
        listing(*make(number), Link=f'<http://127.0.0.1/page?{number}>; rel="next"')(connection, path)

    return script


@pytest.mark.parametrize(
    ("bound", "make", "complaint"),
    [
        ({"_MAX_FILES": 20}, lambda number: [entry(f"{number}/{i}") for i in range(5)], "has no end"),
        ({"_MAX_LISTING_BYTES": 5000}, lambda number: [{"type": "directory", "path": "x" * 1000}], "has no end"),
        ({"_LISTING_TIMEOUT_FACTOR": 1}, slowly, "takes too long"),
    ],
    ids=["files", "bytes", "time"],
)
def test_endless_listing_fails(
    official: FakeHub,
    hub_for: HubFor,
    monkeypatch: pytest.MonkeyPatch,
    bound: dict[str, int],
    make: Callable[[int], list[object]],
    complaint: str,
) -> None:
    monkeypatch.setattr("backends.hub.client._MAX_PAGES", 40)
    for name, value in bound.items():
        monkeypatch.setattr(f"backends.hub.client.{name}", value)
    with answering(pages(make)) as odd, pytest.raises(EndpointsFailed, match=complaint):
        hub_for(odd, attempts=1).fetch(weights(official))


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "a b", "a:99999", "[x"])
def test_invalid_url_is_refused_as_a_setting(host: str) -> None:
    with pytest.raises(BadHubSettings, match=r"HF_ENDPOINT: 'http://.*is not a URL"):
        Endpoint.parse(f"http://{host}", "HF_ENDPOINT")


@pytest.mark.parametrize("hang", ["answer", "header", "body"])
def test_single_endpoint_with_one_failure_delivers(official: FakeHub, hub_for: HubFor, hang: str) -> None:
    pauses: list[float] = []

    def recover(pause_s: float) -> None:
        pauses.append(pause_s)
        official.faults.hang = ""

    official.faults.hang, official.faults.hang_after = hang, 1000
    assert hub_for(official, backoff_s=0.25, pause=recover).fetch(weights(official)).path.read_bytes() == CONTENT
    assert pauses == [0.25]


def test_retry_rounds_are_limited(official: FakeHub, hub_for: HubFor, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str] = []
    pauses: list[float] = []

    def script(connection: socket.socket, path: str) -> None:
        asked.append(path)
        time.sleep(0.5)

    with answering(script) as silent, pytest.raises(EndpointsFailed) as caught:
        hub_for(silent, official, metadata_timeout_s=0.2, backoff_s=0.25, pause=pauses.append).fetch(
            f"hf://{REPO}/a@{'e' * 40}"
        )
    assert [type(error) for _, error in caught.value.failures] == [Stalled, RevisionNotFound]
    assert (len(asked), pauses) == (3, [0.25, 0.5])
    assert len([seen for seen in official.seen if "/tree/" in seen.path]) == 1, "it said what it knows"
