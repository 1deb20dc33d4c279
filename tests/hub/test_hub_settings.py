"""Hub settings from the environment and the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.hub import BadHubSettings, Endpoint, HubSettings
from backends.hub.settings import DEFAULT_ENDPOINTS, OFFICIAL_ENDPOINT


def settings(config: dict[str, object] | None = None, **environ: str) -> HubSettings:
    return HubSettings.from_environment(config, environ)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")


def test_defaults_apply_without_configuration() -> None:
    found = settings()
    assert found.endpoints == DEFAULT_ENDPOINTS
    assert [endpoint.send_token for endpoint in found.endpoints] == [True, False]
    assert found.cache_dir == Path("/home/u/.cache/huggingface/hub")
    assert not found.offline
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


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"endpoint": "https://a.example"}, r"hub\.endpoint: unknown key"),
        ({"token": "hf_x"}, r"hub\.token: unknown key"),
        ({"endpoints": "https://a.example"}, r"hub\.endpoints: Expected `array`"),
        ({"endpoints": []}, r"hub\.endpoints: Expected `array` of length >= 1"),
        ({"endpoints": ["hub.example"]}, r"hub\.endpoints\[0\]"),
        ({"endpoints": ["ftp://hub.example"]}, r"hub\.endpoints\[0\]"),
        ({"endpoints": ["http://[::1"]}, r"hub\.endpoints\[0\]"),
        ({"endpoints": ["https://a.example", 5]}, r"hub\.endpoints\[1\]"),
        ({"endpoints": ["https://u:p@a.example"]}, "must not contain a user name or password"),
        ({"endpoints": [{"url": "https://a.example", "tocken": True}]}, "tocken"),
        ({"endpoints": [{"url": "https://a.example", "send_token": "yes"}]}, "send_token"),
        ({"cache_dir": 5}, r"hub\.cache_dir"),
        ({"offline": "yes"}, r"hub\.offline"),
        ({"attempts": 0}, r"hub\.attempts.*>= 1"),
        ({"attempts": 1.5}, r"hub\.attempts"),
        ({"stall_timeout_s": 0}, r"hub\.stall_timeout_s.*> 0"),
        ({"stall_timeout_s": float("inf")}, r"hub\.stall_timeout_s"),
        ({"connect_timeout_s": True}, r"hub\.connect_timeout_s"),
        ({"backoff_s": -1}, r"hub\.backoff_s.*>= 0"),
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
