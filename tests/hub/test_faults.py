"""Faulty endpoints are skipped, and the reason is logged or raised."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.hub.content import REPO, WEIGHTS_BYTES, HubFor, files
from support.hub.fake_hub import FakeHub, running
from support.hub.fake_state import DEAD

from backends.hub import AccessDenied, Endpoint, EndpointsFailed, GatedRepository, NotFound
from backends.hub.errors import EndpointFailure, Refused, WrongBytes

WEIGHTS = f"hf://{REPO}/base/model.safetensors"
CONTENT = files()["base/model.safetensors"]


def test_dead_endpoint_is_skipped_and_logged(
    mirror: FakeHub, hub_for: HubFor, caplog: pytest.LogCaptureFixture
) -> None:
    assert hub_for(DEAD, mirror).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert f"skipping {DEAD}: no connection to 127.0.0.1:9" in caplog.text


def test_dead_endpoint_is_tried_once_per_fetch(
    mirror: FakeHub, hub_for: HubFor, caplog: pytest.LogCaptureFixture
) -> None:
    hub_for(DEAD, mirror).fetch(f"hf://{REPO}")
    assert caplog.text.count(f"skipping {DEAD}") == 1


def test_all_endpoints_failing_lists_each_reason(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    official.faults.status = 418
    mirror.faults.hang = "answer"
    with pytest.raises(EndpointsFailed) as caught:
        hub_for(DEAD, official, mirror).fetch(WEIGHTS)
    assert [url for url, _ in caught.value.failures] == [DEAD, official.url, mirror.url]
    assert [type(error) for _, error in caught.value.failures] == [EndpointFailure, Refused, EndpointFailure]
    for text in ("no connection", "answers 418", "sent nothing for 0.5 s"):
        assert text in str(caught.value)


@pytest.mark.parametrize("hang", ["answer", "body"])
def test_hanging_endpoint_times_out(official: FakeHub, mirror: FakeHub, hub_for: HubFor, hang: str) -> None:
    official.faults.hang, official.faults.hang_after = hang, 200_000
    started_s = time.monotonic()
    assert hub_for(official, mirror).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert time.monotonic() - started_s < 8
    assert mirror.served_bytes() <= WEIGHTS_BYTES - (200_000 if hang == "body" else 0)


def test_slow_download_counts_as_stalled(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    official.faults.throttle_bytes_s = 40_000
    hub = hub_for(official, mirror, min_bytes_per_s=400_000)
    assert hub.fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert 0 < official.served_bytes() < WEIGHTS_BYTES // 4
    assert mirror.served_bytes() < WEIGHTS_BYTES


@pytest.mark.parametrize("path", ["base/model.safetensors", "base/vocab.txt"])
def test_corrupt_bytes_of_the_right_size_are_rejected(
    official: FakeHub, mirror: FakeHub, hub_for: HubFor, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    official.faults.corrupt = True
    fetched = hub_for(official, mirror).fetch(f"hf://{REPO}/{path}")
    assert fetched.path.read_bytes() == files()[path]
    assert len(official.bodies()) == 1, "a liar is not asked again"
    assert "hash to" in caplog.text


def test_corrupt_bytes_never_become_visible(official: FakeHub, hub_for: HubFor, cache_dir: Path) -> None:
    official.faults.corrupt = True
    with pytest.raises(EndpointsFailed, match="hash to") as caught:
        hub_for(official).fetch(WEIGHTS)
    assert isinstance(caught.value.failures[0][1], WrongBytes)
    assert not [path for path in cache_dir.rglob("snapshots/**/*") if not path.is_dir()]
    assert not [path for path in cache_dir.rglob("blobs/*") if path.is_file()]
    with pytest.raises(EndpointsFailed):
        hub_for(DEAD).fetch(WEIGHTS)
    official.faults.corrupt = False
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT


@pytest.mark.parametrize("announce", [-1000, 1000], ids=["too little", "too much"])
def test_wrong_announced_length_is_skipped(official: FakeHub, mirror: FakeHub, hub_for: HubFor, announce: int) -> None:
    official.faults.announce = announce
    assert hub_for(official, mirror).fetch(WEIGHTS).path.read_bytes() == CONTENT


def test_login_page_is_rejected(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    official.faults.status = 200  # with a body that is not JSON
    assert hub_for(official, mirror).fetch(WEIGHTS).path.read_bytes() == CONTENT


def test_body_without_length_is_resumed(official: FakeHub, hub_for: HubFor) -> None:
    official.faults.no_length = True
    official.faults.cut_after = [250_000]  # without a length, only the expected size tells that it was cut
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert official.served_bytes() == WEIGHTS_BYTES


def test_ignored_range_does_not_corrupt_the_file(official: FakeHub, hub_for: HubFor) -> None:
    official.faults.cut_after = [250_000]
    official.faults.ignore_range = True
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert official.served_bytes() == 250_000 + WEIGHTS_BYTES


def test_busy_server_is_retried(official: FakeHub, hub_for: HubFor) -> None:
    pauses: list[float] = []

    def recover(pause_s: float) -> None:
        pauses.append(pause_s)
        official.faults.status = 0

    official.faults.status = 503
    fetched = hub_for(official, backoff_s=0.25, pause=recover).fetch(WEIGHTS)
    assert fetched.path.read_bytes() == CONTENT
    assert pauses == [0.25]


def test_server_that_stays_busy_fails_after_all_attempts(official: FakeHub, hub_for: HubFor) -> None:
    pauses: list[float] = []
    official.faults.status = 503
    with pytest.raises(EndpointsFailed, match="503") as caught:
        hub_for(official, backoff_s=0.25, pause=pauses.append).fetch(WEIGHTS)
    assert pauses == [0.25, 0.5]
    assert isinstance(caught.value.failures[0][1], EndpointFailure)


def test_redirect_to_a_dead_host_is_skipped(
    official: FakeHub, mirror: FakeHub, hub_for: HubFor, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.faults.redirect_to = DEAD
    assert hub_for(mirror, official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert f"skipping {mirror.url}: no connection to 127.0.0.1:9 (where it redirects to)" in caplog.text


def test_redirect_to_a_working_hub_is_followed(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    mirror.faults.redirect_to = official.url
    assert hub_for(mirror).fetch(WEIGHTS).path.read_bytes() == CONTENT


def test_redirect_loop_fails(mirror: FakeHub, hub_for: HubFor) -> None:
    mirror.faults.redirect_to = mirror.url
    with pytest.raises(EndpointsFailed, match="in a circle"):
        hub_for(mirror).fetch(WEIGHTS)


def test_dead_storage_host_counts_as_a_dead_endpoint(
    official: FakeHub, mirror: FakeHub, hub_for: HubFor, caplog: pytest.LogCaptureFixture
) -> None:
    official.faults.storage_url = DEAD
    assert hub_for(official, mirror).fetch(f"hf://{REPO}").commit
    assert "no connection to 127.0.0.1:9 (where it redirects to)" in caplog.text
    assert official.served_bytes() > 0, "small files come from the endpoint itself"


def test_xet_storage_is_fetched_over_plain_http(official: FakeHub, hub_for: HubFor) -> None:
    official.faults.xet = True  # its xet host is dead
    assert hub_for(official).fetch(WEIGHTS).path.read_bytes() == CONTENT
    assert not [seen for seen in official.seen if "xet" in seen.path]


def test_next_page_is_requested_from_the_same_endpoint(mirror: FakeHub, hub_for: HubFor) -> None:
    mirror.page_size = 2
    mirror.faults.next_link_host = DEAD
    assert len(hub_for(mirror).fetch(f"hf://{REPO}").files) == len(files())


def test_lagging_mirror_is_skipped(official: FakeHub, hub_for: HubFor) -> None:
    with running() as lagging:
        lagging.add(REPO, {"README.md": b"old"})
        commit = official.repos[REPO].refs["main"]
        fetched = hub_for(lagging, official).fetch(f"hf://{REPO}/base@{commit}")
        assert len(fetched.files) == 3
        with pytest.raises(NotFound):
            hub_for(lagging).fetch("hf://owner/unheard-of")


def test_outdated_mirror_does_not_mix_files_into_a_commit(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    """The branch is resolved at the first endpoint; the others must deliver that commit."""
    mirror.add(REPO, {"base/model.safetensors": b"old weights"})
    official.faults.storage_url = DEAD
    official.add(REPO, {"base/model.safetensors": b"new weights"})
    with pytest.raises(EndpointsFailed, match=r"no such revision"):
        hub_for(official, mirror).fetch(WEIGHTS)


def test_not_found_requires_all_endpoints(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    with pytest.raises(NotFound) as caught:
        hub_for(official, mirror).fetch("hf://owner/unheard-of")
    assert official.url in str(caught.value)
    assert mirror.url in str(caught.value)
    with pytest.raises(EndpointsFailed, match="no such repository"):
        hub_for(DEAD, mirror).fetch("hf://owner/unheard-of")
    with pytest.raises(NotFound):
        hub_for(DEAD, mirror).fetch(f"hf://{REPO}/unheard-of")


def test_gated_repository_error_names_the_license_page(official: FakeHub, hub_for: HubFor) -> None:
    official.repos[REPO].gated = True
    with pytest.raises(GatedRepository, match=r"accept it at https://huggingface\.co/owner/voice") as caught:
        hub_for(DEAD, official).fetch(WEIGHTS)
    assert "HF_TOKEN" in str(caught.value)


def test_rejected_token_error_names_the_variable(
    official: FakeHub, hub_for: HubFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(AccessDenied, match="HF_TOKEN") as caught:
        hub_for(Endpoint(official.url, send_token=True)).fetch(WEIGHTS)
    assert "hf_wrong" not in str(caught.value)


def test_probe_reports_latency_or_reason(official: FakeHub, mirror: FakeHub, hub_for: HubFor) -> None:
    hub = hub_for()
    good = hub.probe(Endpoint(official.url))
    assert (good.reachable, good.reason) == (True, "")
    assert good.latency_s is not None
    dead = hub.probe(Endpoint(DEAD))
    assert (dead.reachable, dead.latency_s) == (False, None)
    assert "no connection" in dead.reason
    mirror.faults.redirect_to = DEAD
    assert "127.0.0.1:9 (where it redirects to)" in hub.probe(Endpoint(mirror.url)).reason
    mirror.faults.redirect_to, mirror.faults.hang = "", "answer"
    assert "sent nothing" in hub.probe(Endpoint(mirror.url)).reason
    official.faults.status = 200
    assert "unlike a hub" in hub.probe(Endpoint(official.url)).reason
