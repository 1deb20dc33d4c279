"""Sources of the settings: YAML files, ``VOXGATE_…`` variables and command-line flags, in ascending precedence.

An unknown or invalid key in any source ends startup with an error that names the key and its source.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from backends.yaml_text import parse_yaml
from gateway.environment import PREFIX, read_environment
from gateway.errors import ConfigError
from gateway.settings import Settings

SAGEMAKER_PORT = 8080
SAGEMAKER_CONFIG = "voxgate.yaml"  # in a model archive


class _Layer(NamedTuple):
    """A source of settings and its values."""

    origin: str
    tree: dict[str, Any]


def config_folder() -> Path:
    """Return the folder of shipped configurations: in the installed package, or beside it in a checkout."""
    here = Path(__file__).parent
    installed = here / "configs"
    return installed if installed.is_dir() else here.parent / "configs"


def load_settings(
    config: Path | None = None, flags: Mapping[str, Any] | None = None, model_dir: Path | None = None
) -> Settings:
    """Read, merge and check all sources.

    :param config: a YAML file; default ``$VOXGATE_CONFIG``, then the shipped ``configs/gateway.yaml``. A relative path
        ``configs/…`` that does not exist is a shipped file.
    :param flags: top-level settings from the command line; None values are ignored.
    :param model_dir: in a SageMaker container, the folder of the model archive. Its ``voxgate.yaml`` is the default
        configuration, or else ``configs/sagemaker.yaml``; host and port follow SageMaker's contract.
    :raises ConfigError: if a setting is invalid; names the key and its source.
    """
    if config is None and (chosen := os.environ.get("VOXGATE_CONFIG")):
        config = Path(chosen)
    if config is None and model_dir is not None and not (config := model_dir / SAGEMAKER_CONFIG).is_file():
        config = config_folder() / "sagemaker.yaml"
    layers = _read_yaml(_shipped(config or config_folder() / "gateway.yaml"))
    if model_dir is not None:
        layers.append(_sagemaker_address())
    layers.append(_Layer(f"{PREFIX}… environment variables", read_environment(Settings)))
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    layers.append(_Layer("command-line flags", given))
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer.tree)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_explain(error, layers)) from None


def _shipped(path: Path, folder: Path = Path()) -> Path:
    """Return the path in the folder; for ``configs/…`` that does not exist there, the shipped file of that name."""
    found, shipped = folder / path, config_folder().parent / path
    return shipped if path.parts[:1] == ("configs",) and not found.exists() and shipped.is_file() else found


def _read_yaml(path: Path, seen: tuple[Path, ...] = ()) -> list[_Layer]:
    """Read a file's layers. Included files come first, so that the file's own keys take precedence."""
    try:
        path = path.expanduser().resolve()
        text = path.read_text(encoding="utf-8")
    except (OSError, RuntimeError, ValueError) as error:  # also an unknown ~user, a null byte, bytes that are not UTF-8
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the configuration file {path}: {reason}") from None
    if path in seen:
        raise ConfigError(f"{path} includes itself through {seen[-1]}")
    try:
        tree = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, found {type(tree).__name__}")
    if wrong := [key for key in tree if not isinstance(key, str)]:
        raise ConfigError(f"{path}: invalid key {wrong[0]!r}: must be a string")
    includes = tree.pop("include", [])
    if not (isinstance(includes, list) and all(isinstance(name, str) for name in includes)):
        raise ConfigError(f"{path}: include must be a list of file names")
    layers = []
    for name in includes:
        layers += _read_yaml(_shipped(Path(name), path.parent), (*seen, path))
    return [*layers, _Layer(str(path), tree)]


def _sagemaker_address() -> _Layer:
    """Return the address that SageMaker's contract requires. A container that is one of several gets its own port.

    SageMaker's own requests name hosts such as ``model.aws.local``; IAM decides whose requests those are.
    """
    port = os.environ.get("SAGEMAKER_BIND_TO_PORT")
    address = {"host": "0.0.0.0", "port": port or SAGEMAKER_PORT, "access": {"hosts": ["*"]}}  # noqa: S104 - a container
    return _Layer("SAGEMAKER_BIND_TO_PORT" if port else "SageMaker's contract", address)


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _explain(error: ValidationError, layers: list[_Layer]) -> str:
    """Describe each error by its key, its message, and the last source that set the key."""
    descriptions = []
    for details in error.errors(include_url=False):
        path = tuple(str(part) for part in details["loc"])
        origins = [layer.origin for layer in layers if path and _has(layer.tree, path)]
        message = details["msg"].removeprefix("Value error, ")
        if details["type"] == "extra_forbidden":
            message = "unknown key"
        key = ".".join(path)
        descriptions.append(f"{key + ': ' if key else ''}{message}" + (f" (set in {origins[-1]})" if origins else ""))
    return "invalid configuration: " + "; ".join(descriptions)


def _has(tree: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if not (isinstance(tree, Mapping) and part in tree):
            return False
        tree = tree[part]
    return True
