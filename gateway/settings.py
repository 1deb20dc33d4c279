"""Settings: their names, types and defaults; frozen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from backends.hub import BadHubSettings, HubSettings
from gateway.environment import PREFIX, user_folder
from gateway.reference_urls import ReferenceUrls

ENGINE_NAME = KEY_NAME = LEXICON_NAME = re.compile("[a-z][a-z0-9_-]{0,63}")
_LexiconName = Annotated[str, Field(pattern=f"^{LEXICON_NAME.pattern}$")]
_Path = Annotated[str, Field(pattern="^/")]
_Host = Annotated[str, Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]*)$")]
_Prefix = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$")]
# Without a path. Apps have schemes of their own: app://obsidian.md, chrome-extension://ID, capacitor://localhost.
_Origin = Annotated[str, Field(pattern=r"^(\*|null|file://|[a-z][a-z0-9+.-]*://[^/\s?#@*]+)$")]

Seconds = float


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EngineSettings(_Block):
    """An engine: its plugin, worker processes, limits and model."""

    backend: str = Field(description="the plugin's name in the entry-point group voxgate.engines")
    load: Literal["eager", "lazy"] = Field("lazy", description="load at startup, or on the first request")
    device: str = Field("auto", description="auto, cpu, cuda:0 …; more than one replica may use auto")
    dtype: str = Field("auto", description="auto, float32, bfloat16, float16 or a list; see the engine's page")
    threads: int | None = Field(None, ge=1, description="CPU threads of numeric libraries in the worker")
    replicas: int = Field(1, ge=1, le=64, description="worker processes")
    python: str | None = Field(None, description="another interpreter for the workers, with voxgate installed in it")
    env: dict[str, str] = Field(default_factory=dict, description="additional environment variables of the workers")
    max_active: int | None = Field(None, ge=1, description="concurrent jobs in the workers; null: the engine's limit")
    max_queue: int = Field(64, ge=0, description="requests that may wait for a slot; more get 429")
    max_queue_s: Seconds | None = Field(
        60.0, ge=0, description="longest predicted wait of an interactive request; longer ones get 429; null: no limit"
    )
    load_wait_s: Seconds = Field(
        60.0, ge=0, description="time that a request waits for an engine to load; then it gets 503; 0: at once"
    )
    idle_unload_s: Seconds | None = Field(None, gt=0, description="unload after this time without a job")
    load_timeout_s: Seconds = Field(900.0, gt=0, description="kill a loading worker after this time without a message")
    heartbeat_timeout_s: Seconds = Field(
        60.0, gt=0, description="kill a loaded worker after this time without a message"
    )
    backoff_s: Seconds = Field(0.5, gt=0, description="delay before the first restart; doubles with every failure")
    backoff_max_s: Seconds = Field(60.0, gt=0, description="maximum delay before a restart")
    model: dict[str, Any] = Field(default_factory=dict, description="the model to load; keys of the engine")
    defaults: dict[str, Any] = Field(default_factory=dict, description="default options, which a request may override")


class Limits(_Block):
    """Limits on requests."""

    text_chars: int = Field(5000, ge=1, le=1_000_000, description="maximum length of a request's text")
    body_bytes: int = Field(25 * 2**20, ge=1024, description="maximum size of a request body")
    reference_min_s: Seconds = Field(1.0, ge=0, description="minimum length of a reference clip")
    reference_max_s: Seconds = Field(30.0, gt=0, description="maximum length of a reference clip")
    body_s: Seconds = Field(60.0, gt=0, description="time limit for a request's headers, and again for its body")
    requests: int = Field(1000, ge=1, description="concurrent requests; more get 503, except health and metrics")
    connections: int = Field(
        2500, ge=1, description="open connections; more close the one that has been idle for the longest time"
    )
    connections_per_address: int = Field(
        1500, ge=1, description="the same per client address; a reverse proxy is one address: keep it above `requests`"
    )
    backlog_bytes: int = Field(
        512 * 2**20, ge=2**20, description="unread audio and responses of all clients; beyond it, requests get 503"
    )
    voices: int = Field(1000, ge=0, description="stored voices")
    voice_bytes: int = Field(4 * 2**30, ge=0, description="size of all files of stored voices")
    lexicons: int = Field(100, ge=0, description="stored pronunciation dictionaries")
    lexicon_bytes: int = Field(64 * 2**20, ge=0, description="size of all files of stored pronunciation dictionaries")
    lexicon_entries: int = Field(5000, ge=1, le=20_000, description="entries of a pronunciation dictionary")
    deadline_s: Seconds = Field(300.0, gt=0, description="time limit for a request's audio")
    stall_s: Seconds = Field(60.0, gt=0, description="disconnect a client that reads nothing for this time")
    drain_s: Seconds = Field(25.0, ge=0, description="time for running requests to finish after SIGTERM")

    @model_validator(mode="after")
    def _check_reference_range(self) -> Limits:
        if self.reference_min_s > self.reference_max_s:
            raise ValueError("reference_min_s is above reference_max_s")
        return self


class FishApi(_Block):
    """Settings of the classic Fish-Speech API, whose requests may load models."""

    engine: str | None = Field(
        None, description="engine of its model `default`, and template of loaded models; null: the first fish engine"
    )
    roots: tuple[Path, ...] = Field((), description="folders that requests may name files in")
    max_models: int = Field(4, ge=0, le=64, description="models that requests may load, besides `default`")


class LiveSettings(_Block):
    """Settings of live sessions, which receive text while they send audio."""

    sessions: int = Field(100, ge=1, description="concurrent sessions; more get 503")
    text_chars: int = Field(200_000, ge=1, le=10_000_000, description="maximum length of a session's whole text")
    message_bytes: int = Field(16 * 2**20, ge=1024, description="maximum size of a message, with its reference clip")
    idle_s: Seconds = Field(300.0, gt=0, description="close a session after this time without text and audio")
    segment_bytes: int = Field(300, ge=100, le=5000, description="maximum size of a text segment, in bytes of UTF-8")
    ahead: int = Field(1, ge=0, le=8, description="segments to synthesize ahead of the one being sent")


class LexiconSettings(_Block):
    """Pronunciation dictionaries."""

    default: tuple[_LexiconName, ...] = Field((), description="used by requests that do not select any, in this order")


class AliasSettings(_Block):
    """Names of other APIs for engines and voices."""

    models: dict[str, str] = Field(default_factory=dict, description="model names of other APIs, mapped to engines")
    voices: dict[str, str | dict[str, str]] = Field(
        default_factory=dict,
        description="voice names of other APIs, mapped to a voice, or to a mapping of engines to voices",
    )


class ApiKey(_Block):
    """An API key and its limits."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the key in hex, see `voxgate key new`")
    requests_per_minute: int | None = Field(None, ge=1, description="more get 429; null: no limit")
    max_concurrent: int | None = Field(None, ge=1, description="concurrent requests; more get 429; null: no limit")


class AccessSettings(_Block):
    """API keys. Without any, no request needs one."""

    hosts: tuple[_Host, ...] = Field(
        (), description="without keys: names by which the gateway is reached, besides IP addresses and localhost"
    )

    keys: dict[str, ApiKey] = Field(default_factory=dict, description="the keys by name:")
    open: tuple[_Path, ...] = Field(
        ("/metrics",), description="paths that need no key for GET, besides health and `/ping`"
    )

    @model_validator(mode="after")
    def _check_keys(self) -> AccessSettings:
        names_by_hash: dict[str, str] = {}
        for name, key in self.keys.items():
            if not KEY_NAME.fullmatch(name):
                raise ValueError(f"invalid key name {name!r}: must match {KEY_NAME.pattern}")
            if (same := names_by_hash.setdefault(key.sha256, name)) != name:
                raise ValueError(f"keys: {same} and {name} have the same hash")
        return self


class Cors(_Block):
    """Origins whose pages may use the gateway in a browser."""

    origins: tuple[_Origin, ...] = Field(
        (), description="e.g. https://app.example.com, app://obsidian.md; * allows all and needs access.keys"
    )


class UiSettings(_Block):
    """The page at ``/ui``."""

    enabled: bool = Field(True, description="serve the page at `/ui`; `/` leads browsers to it")


class LogSettings(_Block):
    """Log format and level."""

    format: Literal["auto", "json", "plain"] = Field("auto", description="auto: plain on a terminal, else JSON")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="minimum level")


class Settings(BaseSettings):
    """All settings of the gateway."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", validate_default=True
    )

    host: str = Field("127.0.0.1", description="address to listen on; :: is every IPv4 and IPv6 address")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0: a free one")
    root_path: _Prefix = Field("", description="path prefix of a reverse proxy, e.g. /speech; the proxy may remove it")
    default_engine: str = Field(description="engine of requests that do not name one")
    data_dir: Path = Field(
        default_factory=lambda: user_folder("data") or Path("/var/lib/voxgate"),
        description="folder of uploaded voices and dictionaries; relative to the working directory",
    )
    engines: dict[str, EngineSettings] = Field(description="the engines by name", min_length=1)
    limits: Limits = Field(default_factory=Limits, description="limits on requests")
    reference_urls: ReferenceUrls = Field(default_factory=ReferenceUrls, description="reference clips by URL")
    fish_api: FishApi = Field(default_factory=FishApi, description="the classic Fish-Speech API")
    live: LiveSettings = Field(default_factory=LiveSettings, description="live sessions")
    lexicons: LexiconSettings = Field(default_factory=LexiconSettings, description="pronunciation dictionaries")
    aliases: AliasSettings = Field(default_factory=AliasSettings, description="names that other APIs use")
    access: AccessSettings = Field(default_factory=AccessSettings, description="API keys")
    cors: Cors = Field(default_factory=Cors, description="cross-origin requests")
    hub: dict[str, Any] = Field(default_factory=dict, description="source of checkpoints; see checkpoints.md")
    ui: UiSettings = Field(default_factory=UiSettings, description="the page at `/ui`")
    logs: LogSettings = Field(default_factory=LogSettings, description="logging")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the constructor's values: :func:`gateway.settings_sources.load_settings` merges the sources."""
        return (init_settings,)

    @field_validator("engines")
    @classmethod
    def _engine_names(cls, engines: dict[str, EngineSettings]) -> dict[str, EngineSettings]:
        for name in engines:
            if not ENGINE_NAME.fullmatch(name):
                raise ValueError(f"invalid engine name {name!r}: must match {ENGINE_NAME.pattern}")
        return engines

    @field_validator("hub")
    @classmethod
    def _hub_keys(cls, hub: dict[str, Any]) -> dict[str, Any]:
        try:
            HubSettings.from_environment(hub, environ={})
        except BadHubSettings as error:
            raise ValueError(str(error).removeprefix("hub.")) from None
        return hub

    @model_validator(mode="after")
    def _named_engines_exist(self) -> Settings:
        if self.default_engine not in self.engines:
            raise ValueError(f"default_engine {self.default_engine!r} is not among engines: {', '.join(self.engines)}")
        if self.fish_api.engine is not None and self.fish_api.engine not in self.engines:
            names = ", ".join(self.engines)
            raise ValueError(f"fish_api.engine {self.fish_api.engine!r} is not among engines: {names}")
        return self

    @model_validator(mode="after")
    def _aliased_engines_exist(self) -> Settings:
        targets = {f"models.{alias}": engine for alias, engine in self.aliases.models.items()}
        for alias, voice in self.aliases.voices.items():
            targets |= {f"voices.{alias}": engine for engine in (voice if isinstance(voice, dict) else ())}
        for key, engine in targets.items():
            if engine not in self.engines:
                raise ValueError(f"aliases.{key}: {engine!r} is not among engines: {', '.join(self.engines)}")
        if taken := [alias for alias in self.aliases.models if alias in self.engines]:
            raise ValueError(f"aliases.models.{taken[0]}: an engine has that name")
        return self

    @model_validator(mode="after")
    def _any_origin_needs_keys(self) -> Settings:
        if "*" in self.cors.origins and not self.access.keys:
            raise ValueError("cors.origins: * needs access.keys, because otherwise any page could use the gateway")
        return self

    @property
    def fish_engine(self) -> str | None:
        """Engine of the classic Fish-Speech API, or None without a fish engine."""
        fish = (name for name, engine in self.engines.items() if engine.backend == "fish")
        return self.fish_api.engine or next(fish, None)
