"""The gateway's configuration: YAML files < ``VOXGATE_…`` variables < command-line flags; frozen once loaded.

Only this module reads the environment. A key that is unknown or malformed anywhere ends the start with an error
that names the key and where it was set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from backends.hub import BadHubSettings, HubSettings
from gateway.errors import ConfigError

PREFIX = "VOXGATE_"
# Variables of that prefix that are not settings: which file to read, and which server the CLI talks to.
NOT_SETTINGS = frozenset({"VOXGATE_CONFIG", "VOXGATE_SERVER", "VOXGATE_API_KEY", "VOXGATE_SAGEMAKER"})

ENGINE_NAME = KEY_NAME = re.compile("[a-z][a-z0-9_-]{0,63}")
_Path = Annotated[str, Field(pattern="^/")]
_Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s?#@*]+)$")]  # without a path

SAGEMAKER_PORT = 8080
SAGEMAKER_CONFIG = "voxgate.yaml"  # in a model archive

Seconds = float


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EngineSettings(_Block):
    """One engine: which plugin, how it is run, what it loads."""

    backend: str = Field(description="the plugin's name in the entry-point group voxgate.engines")
    load: Literal["eager", "lazy"] = Field("lazy", description="load at start, or at the first request")
    device: str = Field("auto", description="auto, cpu, cuda:0 …; more than one replica may use auto")
    dtype: str = Field("auto", description="auto, float32, bfloat16, float16; see the engine's page")
    threads: int | None = Field(None, ge=1, description="CPU threads of numeric libraries in the worker")
    replicas: int = Field(1, ge=1, le=64, description="worker processes")
    python: str | None = Field(None, description="another interpreter for the workers, with voxgate installed in it")
    env: dict[str, str] = Field(default_factory=dict, description="extra environment variables of the workers")
    max_active: int | None = Field(
        None, ge=1, description="jobs in the workers at once; null: what the engine asks for"
    )
    max_queue: int = Field(64, ge=0, description="requests that may wait beyond that; more get 429")
    idle_unload_s: Seconds | None = Field(None, gt=0, description="unload after that long without a job")
    load_timeout_s: Seconds = Field(900.0, gt=0, description="loading may be silent for that long")
    heartbeat_timeout_s: Seconds = Field(60.0, gt=0, description="a loaded worker silent for that long is killed")
    backoff_s: Seconds = Field(0.5, gt=0, description="wait before the first restart; doubles with every failure")
    backoff_max_s: Seconds = Field(60.0, gt=0, description="longest wait between restarts")
    model: dict[str, Any] = Field(default_factory=dict, description="what to load; the engine's own keys")
    defaults: dict[str, Any] = Field(default_factory=dict, description="per-request options a request may override")


class Limits(_Block):
    """Bounds on everything that comes from outside."""

    text_chars: int = Field(5000, ge=1, le=1_000_000, description="longest text of a request")
    body_bytes: int = Field(25 * 2**20, ge=1024, description="largest request body")
    reference_min_s: Seconds = Field(1.0, ge=0, description="shortest reference clip")
    reference_max_s: Seconds = Field(30.0, gt=0, description="longest reference clip")
    body_s: Seconds = Field(60.0, gt=0, description="a request's headers, and then its body, must be complete by then")
    requests: int = Field(1000, ge=1, description="requests under way; more get 503, health and metrics excepted")
    backlog_bytes: int = Field(512 * 2**20, ge=2**20, description="audio made and not yet read by clients; beyond, 503")
    voices: int = Field(1000, ge=0, description="stored voices")
    deadline_s: Seconds = Field(300.0, gt=0, description="a request's audio must be finished by then")
    stall_s: Seconds = Field(60.0, gt=0, description="a client that reads nothing for that long is cut off")
    drain_s: Seconds = Field(25.0, ge=0, description="on SIGTERM, time for running requests to finish")

    @model_validator(mode="after")
    def _clips_can_be_right(self) -> Limits:
        if self.reference_min_s > self.reference_max_s:
            raise ValueError("reference_min_s is above reference_max_s")
        return self


class FishApi(_Block):
    """The classic Fish-Speech API, whose requests may load models."""

    engine: str | None = Field(
        None, description="what its model `default` is, and what models start from; null: the first fish engine"
    )
    roots: tuple[Path, ...] = Field((), description="folders in which files that its requests name may lie")
    max_models: int = Field(4, ge=0, le=64, description="models that requests have loaded at once, besides `default`")


class LiveSettings(_Block):
    """Live sessions: text comes in while audio flows out."""

    sessions: int = Field(100, ge=1, description="open at once; more get 503")
    text_chars: int = Field(200_000, ge=1, le=10_000_000, description="longest text of a session, all of it together")
    message_bytes: int = Field(
        16 * 2**20, ge=1024, description="largest message of a client, its reference clip included"
    )
    idle_s: Seconds = Field(300.0, gt=0, description="a session is closed when nothing is said or sent for that long")
    segment_bytes: int = Field(300, ge=100, le=5000, description="longest stretch of text spoken in one go, in UTF-8")
    ahead: int = Field(1, ge=0, le=8, description="segments that are begun before the one being sent is complete")


class AliasSettings(_Block):
    """What the names of other APIs stand for."""

    models: dict[str, str] = Field(
        default_factory=dict, description="a model's name in other APIs: the engine that it stands for"
    )
    voices: dict[str, str | dict[str, str]] = Field(
        default_factory=dict,
        description="a voice's name in other APIs: the voice that it stands for, or a mapping of engines to voices",
    )


class ApiKey(_Block):
    """One key that opens the gateway."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the key in hex; `voxgate key new` makes both")
    requests_per_minute: int | None = Field(None, ge=1, description="more get 429; null: any number")
    max_concurrent: int | None = Field(None, ge=1, description="requests under way; more get 429; null: any number")


class AccessSettings(_Block):
    """API keys; without any, every request is let in."""

    keys: dict[str, ApiKey] = Field(default_factory=dict, description="the keys by name:")
    open: tuple[_Path, ...] = Field(
        ("/metrics",), description="paths that can be read without a key, besides health and `/ping`"
    )

    @model_validator(mode="after")
    def _can_be_meant(self) -> AccessSettings:
        named: dict[str, str] = {}
        for name, key in self.keys.items():
            if not KEY_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a key: a-z, 0-9, - and _, a letter first")
            if (same := named.setdefault(key.sha256, name)) != name:
                raise ValueError(f"keys: {same} and {name} have the same hash")
        return self


class Cors(_Block):
    """Pages of other sites that may use the gateway in a browser."""

    origins: tuple[_Origin, ...] = Field(
        (), description="e.g. https://app.example.com; * stands for all, if there are keys"
    )


class LogSettings(_Block):
    """How the gateway logs."""

    format: Literal["auto", "json", "plain"] = Field("auto", description="auto: plain on a terminal, else JSON")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe level shown")


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", validate_default=True
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    default_engine: str = Field(description="the engine of a request that names none")
    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("voxgate", appauthor=False)),
        description="where uploaded voices are kept; relative to the working directory",
    )
    engines: dict[str, EngineSettings] = Field(description="the engines by name", min_length=1)
    limits: Limits = Field(default_factory=Limits, description="bounds on requests")
    fish_api: FishApi = Field(default_factory=FishApi, description="the classic Fish-Speech API")
    live: LiveSettings = Field(default_factory=LiveSettings, description="text in while audio flows out")
    aliases: AliasSettings = Field(default_factory=AliasSettings, description="names that other APIs use")
    access: AccessSettings = Field(default_factory=AccessSettings, description="API keys")
    cors: Cors = Field(default_factory=Cors, description="pages of other sites")
    hub: dict[str, Any] = Field(default_factory=dict, description="where checkpoints come from; see checkpoints.md")
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
        """Take the values handed in and nothing else: :func:`load_settings` merges the sources."""
        return (init_settings,)

    @field_validator("engines")
    @classmethod
    def _engine_names(cls, engines: dict[str, EngineSettings]) -> dict[str, EngineSettings]:
        for name in engines:
            if not ENGINE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no engine name: a-z, 0-9, - and _, a letter first")
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
    def _aliases_stand_for_engines(self) -> Settings:
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
    def _strangers_have_keys(self) -> Settings:
        if "*" in self.cors.origins and not self.access.keys:
            raise ValueError("cors.origins: * needs access.keys, or any page could make this gateway work for it")
        return self

    @property
    def fish_engine(self) -> str | None:
        """The engine that the classic Fish-Speech API speaks with, if there is one."""
        fish = (name for name, engine in self.engines.items() if engine.backend == "fish")
        return self.fish_api.engine or next(fish, None)


class _Layer(NamedTuple):
    """One source of settings: where it came from, and the tree it gave."""

    origin: str
    tree: dict[str, Any]


def config_folder() -> Path:
    """The shipped ``configs/``: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).parent
    installed = here / "configs"
    return installed if installed.is_dir() else here.parent / "configs"


def load_settings(
    config: Path | None = None, flags: Mapping[str, Any] | None = None, model_dir: Path | None = None
) -> Settings:
    """Read, merge and check all sources.

    :param config: a YAML file; default ``$VOXGATE_CONFIG``, then the shipped ``configs/gateway.yaml``.
    :param flags: top-level settings given on the command line; None values were not given.
    :param model_dir: given where SageMaker's contract for containers holds: the folder with the model archive, whose
        ``voxgate.yaml`` is the default configuration, or else ``configs/sagemaker.yaml``. The address is SageMaker's.
    :raises ConfigError: naming the key and its origin.
    """
    if config is None and (chosen := os.environ.get("VOXGATE_CONFIG")):
        config = Path(chosen)
    if config is None and model_dir is not None and not (config := model_dir / SAGEMAKER_CONFIG).is_file():
        config = config_folder() / "sagemaker.yaml"
    layers = _read_yaml(config or config_folder() / "gateway.yaml")
    if model_dir is not None:
        layers.append(_sagemaker_address())
    layers.append(_Layer(f"{PREFIX}… environment variables", _read_environment()))
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    layers.append(_Layer("command-line flags", given))
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.tree)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_explain(error, layers)) from None


def _read_yaml(path: Path, seen: tuple[Path, ...] = ()) -> list[_Layer]:
    """The file's layers: what it includes first, itself last, so that its own keys win."""
    path = path.expanduser().resolve()
    if path in seen:
        raise ConfigError(f"{path} includes itself by way of {seen[-1]}")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, found {type(tree).__name__}")
    if wrong := [key for key in tree if not isinstance(key, str)]:
        raise ConfigError(f"{path}: {wrong[0]!r} is no name of a setting")
    includes = tree.pop("include", [])
    if not (isinstance(includes, list) and all(isinstance(name, str) for name in includes)):
        raise ConfigError(f"{path}: include must be a list of file names")
    layers = []
    for name in includes:
        layers += _read_yaml(path.parent / name, (*seen, path))
    return [*layers, _Layer(str(path), tree)]


def _sagemaker_address() -> _Layer:
    """Where SageMaker's requests arrive. The port is another one where a container is one of several."""
    port = os.environ.get("SAGEMAKER_BIND_TO_PORT")
    address = {"host": "0.0.0.0", "port": port or SAGEMAKER_PORT}  # noqa: S104 - inside a container
    return _Layer("SAGEMAKER_BIND_TO_PORT" if port else "SageMaker's contract", address)


def _read_environment() -> dict[str, Any]:
    """``VOXGATE_LIMITS__TEXT_CHARS=…`` as a tree."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for variable in os.environ:
        top = variable.upper().split("__", 1)[0]
        if top.startswith(PREFIX) and top not in known and variable not in NOT_SETTINGS:
            names = ", ".join(sorted(known))
            raise ConfigError(f"environment variable {variable} is no setting; settings start with: {names}")
    try:
        tree = EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise ConfigError(f"an environment variable is malformed: {error} ({error.__cause__})") from None
    # The gateway does not know the types of keys that are somebody else's, so a value means what YAML makes of it.
    engines = tree.get("engines")
    for block in [tree, *(engines.values() if isinstance(engines, dict) else ())]:
        for name in ("hub", "model", "defaults"):
            if isinstance(block, dict) and isinstance(values := block.get(name), dict):
                block[name] = {key: _yaml_value(key, value) for key, value in values.items()}
    return tree


def _yaml_value(key: str, value: Any) -> Any:
    try:
        return yaml.safe_load(value) if isinstance(value, str) else value
    except yaml.YAMLError:
        raise ConfigError(f"environment variable {PREFIX}…__{key.upper()}: {value!r} is not YAML") from None


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _explain(error: ValidationError, layers: list[_Layer]) -> str:
    """Each complaint on a line: key, what is wrong, and the last source that set the key."""
    lines = []
    for complaint in error.errors(include_url=False):
        path = tuple(str(part) for part in complaint["loc"])
        origins = [layer.origin for layer in layers if path and _has(layer.tree, path)]
        what = complaint["msg"].removeprefix("Value error, ")
        if complaint["type"] == "extra_forbidden":
            what = "unknown key"
        key = ".".join(path)
        lines.append(f"{key + ': ' if key else ''}{what}" + (f" (set in {origins[-1]})" if origins else ""))
    return "invalid configuration: " + "; ".join(lines)


def _has(tree: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if not (isinstance(tree, Mapping) and part in tree):
            return False
        tree = tree[part]
    return True
