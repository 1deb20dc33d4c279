"""Malformed responses are skipped like dead endpoints, within the time limits."""

from __future__ import annotations

import json
import socket
import time

import pytest
from support.hub.content import REPO, HubFor, files
from support.hub.fake_hub import FakeHub
from support.hub.raw_server import Script, answer, answering

from backends.hub import BadHubSettings, Endpoint, EndpointsFailed, NotFound
from backends.hub.errors import EndpointFailure

CONTENT = files()["base/model.safetensors"]


def weights(hub: FakeHub) -> str:
    """Pinned, so that no branch is looked up."""
    return f"hf://{REPO}/base/model.safetensors@{hub.repos[REPO].refs['main']}"


def entry(path: object, **changed: object) -> dict[str, object]:
    return {"rfilename": path, "size": 1, "blobId": "a" * 40} | changed


def listing(*entries: object, sha: object = "e" * 40, **headers: str) -> Script:
    return answer(json.dumps({"id": REPO, "sha": sha, "siblings": entries}).encode(), **headers)


def redirect(target: str) -> Script:
    return answer(status="302 Found", Location=target)


@pytest.mark.parametrize(
    "script",
    [
        redirect(f"http://{'a' * 64}.example/"),
        redirect("http://a..b/"),
        redirect("http://127.0.0.1:99999/"),
        redirect("http://[::1/"),
        answer(b"[" * 200_000),
        listing(entry("\ud800")),
        listing(entry("a/" + "b" * 300)),
        listing(entry("a/" * 1500 + "b")),
        listing(entry("a\x1b[2J")),
        listing(entry("a"), sha="main"),
        listing(entry("a"), sha=5),
        listing(entry("a", blobId="../" * 13 + "a")),
        listing(entry("a", blobId=["a"])),
        listing(entry("a", size=True)),
        listing(entry("a", size=-1)),
        listing(entry("a", size=10**40)),
        listing(entry("a", lfs={"sha256": "../secret", "size": 1, "pointerSize": 1})),
        listing("a"),
        listing(entry("a"), Content_Encoding="br"),
    ],
)
def test_malformed_response_is_skipped(official: FakeHub, hub_for: HubFor, script: Script) -> None:
    with answering(script) as odd:
        with pytest.raises(EndpointsFailed) as caught:
            hub_for(odd).fetch(weights(official))
        # httpx reports some URLs as a protocol error.
        assert isinstance(caught.value.failures[0][1], EndpointFailure)
        assert str(caught.value).isascii()
        assert len(str(caught.value)) < 1000
        assert hub_for(odd, official).fetch(weights(official)).path.read_bytes() == CONTENT


def test_server_text_is_shortened_and_stripped_of_control_characters(official: FakeHub, hub_for: HubFor) -> None:
    script = answer(status="418 No", X_Error_Message="\x1b[2J" + "no " * 1000)
    with answering(script) as odd, pytest.raises(EndpointsFailed) as caught:
        hub_for(odd).fetch(weights(official))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_callers_exception_is_not_attributed_to_the_endpoint(official: FakeHub, hub_for: HubFor) -> None:
    def stop(stage: str, done: int, total: int | None) -> None:
        if done:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        hub_for(official).fetch(weights(official), stop)


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "a b", "a:99999", "[x"])
def test_invalid_url_is_refused_as_a_setting(host: str) -> None:
    with pytest.raises(BadHubSettings, match=r"HF_ENDPOINT: 'http://.*is not a URL"):
        Endpoint.parse(f"http://{host}", "HF_ENDPOINT")


@pytest.mark.parametrize("hang", ["answer", "body"])
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
    assert [type(error) for _, error in caught.value.failures] == [EndpointFailure, NotFound]
    assert (len(asked), pauses) == (3, [0.25, 0.5])
    assert len([seen for seen in official.seen if "/revision/" in seen.path]) == 1, "it said what it knows"
