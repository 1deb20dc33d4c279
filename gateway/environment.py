"""Environment of the process: ``VOXGATE_…`` variables, those that Kubernetes sets, and the user's folders."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

from backends.yaml_text import parse_yaml
from gateway.errors import ConfigError

PREFIX = "VOXGATE_"
# Variables with that prefix that are not settings: the configuration file, and the CLI's server and key.
NOT_SETTINGS = frozenset({"VOXGATE_CONFIG", "VOXGATE_SERVER", "VOXGATE_API_KEY", "VOXGATE_SAGEMAKER"})

# Variables that Kubernetes sets in each container for a Service named voxgate or voxgate-NAME.
_KUBERNETES = re.compile(
    r"VOXGATE(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9]+)*|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_PORT = re.compile(r"VOXGATE(_[A-Z0-9]+)*_PORT")
_KUBERNETES_ADDRESS = re.compile(r"(tcp|udp|sctp)://\S+")


def user_folder(kind: Literal["data", "state"]) -> Path | None:
    """Return the user's folder for Voxgate's data or state; None if the user has no home folder."""
    find = platformdirs.user_data_dir if kind == "data" else platformdirs.user_state_dir
    try:
        folder = Path(find("voxgate", appauthor=False))
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None  # older platformdirs leave the ~ in place


def kubernetes_variables() -> frozenset[str]:
    """Return the names of the variables that Kubernetes sets for a Service whose name begins with voxgate.

    They are not settings. ``VOXGATE_PORT`` is among them only with a value such as ``tcp://10.0.0.5:8000``.
    """
    return frozenset(
        name
        for name, value in os.environ.items()
        if _KUBERNETES.fullmatch(name) or (_KUBERNETES_PORT.fullmatch(name) and _KUBERNETES_ADDRESS.fullmatch(value))
    )


def read_environment(settings: type[BaseSettings]) -> dict[str, Any]:
    """Read ``VOXGATE_LIMITS__TEXT_CHARS=…`` as a tree.

    :raises ConfigError: naming the variable that is unknown or malformed.
    """
    known = {PREFIX + name.upper() for name in settings.model_fields}
    ignored = kubernetes_variables()
    for variable in sorted(os.environ.keys() - ignored):
        top = variable.upper().split("__", 1)[0]
        if top.startswith(PREFIX) and top not in known and variable not in NOT_SETTINGS:
            names = ", ".join(sorted(known))
            raise ConfigError(f"unknown environment variable {variable}: must start with one of {names}")
    try:
        source = EnvSettingsSource(settings)
        lower = {name.lower() for name in ignored}
        source.env_vars = {name: value for name, value in source.env_vars.items() if name not in lower}
        tree = source()
    except SettingsError as error:
        raise ConfigError(f"an environment variable is malformed: {error} ({error.__cause__})") from None
    # The gateway does not know the types of the engines' and the hub's keys, so their values are parsed as YAML.
    engines = tree.get("engines")
    for block in [tree, *(engines.values() if isinstance(engines, dict) else ())]:
        for name in ("hub", "model", "defaults"):
            if isinstance(block, dict) and isinstance(values := block.get(name), dict):
                block[name] = {key: _yaml_value(key, value) for key, value in values.items()}
    return tree


def _yaml_value(key: str, value: Any) -> Any:
    try:
        return parse_yaml(value) if isinstance(value, str) else value
    except ValueError:
        raise ConfigError(f"environment variable {PREFIX}…__{key.upper()}: {value!r} is not YAML") from None
