"""Hub settings from the environment and the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.hub import BadHubSettings, Endpoint, HubSettings
from backends.hub.settings import DEFAULT_ENDPOINTS, OFFICIAL_ENDPOINT


def settings(config: dict[str, object] | None = None, **environ: str) -> HubSettings:
    return HubSettings.from_environment(config, {"HOME": "/home/u", **environ})


def test_defaults_apply_without_configuration() -> None:
    found = settings()
    assert found.endpoints == DEFAULT_ENDPOINTS
    assert [endpoint.send_token for endpoint in found.endpoints] == [True, False]
    assert found.cache_dir == Path("/home/u/.cache/huggingface/hub")
    assert (found.offline, found.token) == (False, None)
    assert settings(dict.fromkeys(["endpoints", "cache_dir", "offline", "attempts"])) == found


def test_environment_overrides_configured_endpoints() -> None:
    config = {"endpoints": ["https://configured.example"]}
    assert settings(config).endpoints == (Endpoint("https://configured.example", send_token=False),)
    assert settings(config, HF_ENDPOINT="https://a.example/, http://b.example:81/hf/").endpoints == (
        Endpoint("https://a.example", send_token=True),
        Endpoint("http://b.example:81/hf", send_token=True),
    )
    assert settings(config, HF_ENDPOINT="").endpoints == settings(config).endpoints


def test_token_goes_to_marked_endpoints_only() -> None:
    config = {
        "endpoints": [
            OFFICIAL_ENDPOINT,
            "https://hf-mirror.com",
            {"url": "https://hub.example", "send_token": True},
        ]
    }
    assert [endpoint.send_token for endpoint in settings(config).endpoints] == [True, False, True]


def test_cache_dir_follows_the_environment() -> None:
    assert settings(HF_HOME="/data/hf").cache_dir == Path("/data/hf/hub")
    assert settings(HF_HOME="$HOME/x").cache_dir == Path("/home/u/x/hub")
    assert settings(HF_HOME="/data/hf", HF_HUB_CACHE="~/c").cache_dir == Path("/home/u/c")
    assert settings(XDG_CACHE_HOME="/xdg").cache_dir == Path("/xdg/huggingface/hub")
    assert settings({"cache_dir": "/configured"}, HF_HOME="/data/hf").cache_dir == Path("/configured")
    assert settings({"cache_dir": "/configured"}, HF_HUB_CACHE="/env").cache_dir == Path("/env")


def test_offline_follows_the_environment() -> None:
    assert settings(HF_HUB_OFFLINE="1").offline
    assert settings(TRANSFORMERS_OFFLINE="yes").offline
    assert settings({"offline": True}).offline
    assert not settings({"offline": True}, HF_HUB_OFFLINE="0").offline


def test_token_comes_from_the_environment_or_the_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_file\n")
    (tmp_path / "elsewhere").write_text("hf_elsewhere")
    home = str(tmp_path)
    assert settings(HF_TOKEN="hf_env", HF_HOME=home).token == "hf_env"
    assert settings(HF_HOME=home).token == "hf_file"
    assert settings(HF_HOME=home, HF_TOKEN_PATH=f"{home}/elsewhere").token == "hf_elsewhere"
    assert settings(HF_HOME=home, HF_HUB_DISABLE_IMPLICIT_TOKEN="1").token is None
    assert "hf_env" not in repr(settings(HF_TOKEN="hf_env"))


def test_unreadable_token_file_is_ignored_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "token").mkdir()
    assert settings(HF_HOME=str(tmp_path)).token is None
    assert str(tmp_path / "token") in caplog.text


def test_invalid_token_is_refused_and_not_shown() -> None:
    with pytest.raises(BadHubSettings, match="HF_TOKEN") as caught:
        settings(HF_TOKEN="hf_abc\nX-Evil: 1")
    assert "hf_abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"endpoint": "https://a.example"}, r"hub\.endpoint: unknown key"),
        ({"token": "hf_x"}, r"hub\.token: unknown key"),
        ({"endpoints": "https://a.example"}, r"hub\.endpoints: expected a list"),
        ({"endpoints": []}, r"hub\.endpoints: expected a list"),
        ({"endpoints": ["hub.example"]}, r"hub\.endpoints\[0\]"),
        ({"endpoints": ["ftp://hub.example"]}, r"hub\.endpoints\[0\]"),
        ({"endpoints": ["http://[::1"]}, r"hub\.endpoints\[0\]"),
        ({"endpoints": ["https://a.example", 5]}, r"hub\.endpoints\[1\]"),
        ({"endpoints": ["https://u:p@a.example"]}, "must not contain a user name or password"),
        ({"endpoints": [{"url": "https://a.example", "tocken": True}]}, "tocken"),
        ({"endpoints": [{"url": "https://a.example", "send_token": "yes"}]}, "send_token"),
        ({"cache_dir": 5}, r"hub\.cache_dir"),
        ({"offline": "yes"}, r"hub\.offline"),
        ({"attempts": 0}, r"hub\.attempts.*whole number, above 0"),
        ({"attempts": 1.5}, r"hub\.attempts"),
        ({"stall_timeout_s": 0}, r"hub\.stall_timeout_s.*seconds, above 0"),
        ({"stall_timeout_s": float("inf")}, r"hub\.stall_timeout_s"),
        ({"connect_timeout_s": True}, r"hub\.connect_timeout_s"),
        ({"backoff_s": -1}, r"hub\.backoff_s.*not below 0"),
    ],
)
def test_invalid_setting_is_named(config: dict[str, object], complaint: str) -> None:
    with pytest.raises(BadHubSettings, match=complaint):
        settings(config)


def test_invalid_variable_is_named() -> None:
    with pytest.raises(BadHubSettings, match="HF_ENDPOINT"):
        settings(HF_ENDPOINT="hub.example")


def test_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://first.example")
    assert HubSettings.from_environment().endpoints[0].url == "https://first.example"
    monkeypatch.setenv("HF_ENDPOINT", "https://second.example")
    assert HubSettings.from_environment().endpoints[0].url == "https://second.example"
