"""The token is sent only to the endpoints it is meant for."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.hub.content import FETCH, REPO, HubFor, Python, files
from support.hub.fake_hub import FakeHub

from backends.hub import Endpoint, GatedRepository, NotFound

TOKEN = "hf_secret"
WEIGHTS = f"hf://{REPO}/base/model.safetensors"


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def trusted(official: FakeHub) -> Endpoint:
    official.tokens.add(TOKEN)
    official.repos[REPO].private = True
    return Endpoint(official.url, send_token=True)


@pytest.mark.usefixtures("token")
def test_private_repository_is_accessible_with_the_token(official: FakeHub, trusted: Endpoint, hub_for: HubFor) -> None:
    content = files()["base/model.safetensors"]
    assert hub_for(trusted).fetch(WEIGHTS).path.read_bytes() == content
    assert {seen.authorization for seen in official.seen if seen.server == "hub"} == {f"Bearer {TOKEN}"}


def test_error_without_a_token_mentions_the_variable(trusted: Endpoint, hub_for: HubFor) -> None:
    with pytest.raises(NotFound, match="HF_TOKEN"):
        hub_for(trusted).fetch(WEIGHTS)


def test_gated_repository_requires_an_accepted_token(
    official: FakeHub, hub_for: HubFor, trusted: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    official.repos[REPO].private = False
    official.repos[REPO].gated = True
    with pytest.raises(GatedRepository):
        hub_for(trusted).fetch(WEIGHTS)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert hub_for(trusted).fetch(WEIGHTS).commit


@pytest.mark.usefixtures("token")
def test_storage_host_never_receives_the_token(official: FakeHub, trusted: Endpoint, hub_for: HubFor) -> None:
    official.faults.cut_after = [100_000]
    hub_for(trusted).fetch(WEIGHTS)
    storage = [seen for seen in official.seen if seen.server == "storage"]
    assert len(storage) == 2
    assert [seen.authorization for seen in storage] == [None, None]
    assert not any(TOKEN in str(seen.headers) + seen.path for seen in storage)


@pytest.mark.usefixtures("token")
def test_redirect_to_another_host_carries_no_token(
    official: FakeHub, mirror: FakeHub, trusted: Endpoint, hub_for: HubFor
) -> None:
    official.faults.redirect_to = mirror.url
    hub_for(trusted).fetch(WEIGHTS)
    assert {seen.authorization for seen in official.seen if seen.server == "hub"} == {f"Bearer {TOKEN}"}
    assert {seen.authorization for seen in mirror.seen} == {None}


@pytest.mark.usefixtures("token")
def test_redirect_there_and_back_carries_no_token(
    official: FakeHub, mirror: FakeHub, trusted: Endpoint, hub_for: HubFor
) -> None:
    """The other host could have rewritten the URL."""
    official.faults.redirect_to = mirror.url
    mirror.faults.redirect_to = official.url
    with pytest.raises(Exception, match="in a circle"):
        hub_for(trusted).fetch(WEIGHTS)
    authorizations = [seen.authorization for seen in official.seen]
    assert authorizations[0] == f"Bearer {TOKEN}"
    assert set(authorizations[1:]) == {None}


@pytest.mark.usefixtures("token")
def test_unmarked_endpoint_does_not_receive_the_token(
    official: FakeHub, mirror: FakeHub, trusted: Endpoint, hub_for: HubFor
) -> None:
    with pytest.raises(NotFound):
        hub_for(mirror, trusted).fetch(f"hf://{REPO}/nothing")
    assert {seen.authorization for seen in mirror.seen} == {None}


@pytest.mark.usefixtures("trusted")
def test_token_file_is_sent_to_endpoints_from_the_environment(
    official: FakeHub, python: Python, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    process = python(FETCH, WEIGHTS, HF_ENDPOINT=official.url, HF_HOME=str(tmp_path))
    output, errors = process.communicate(timeout=60)
    assert output.strip().endswith("base/model.safetensors"), errors


@pytest.mark.usefixtures("token")
def test_token_is_never_logged(
    official: FakeHub, trusted: Endpoint, hub_for: HubFor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    official.faults.cut_after = [100_000]
    hub_for(trusted).fetch(WEIGHTS)
    assert caplog.text
    assert TOKEN not in caplog.text
