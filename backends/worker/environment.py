"""What a worker changes in its environment before it imports an engine."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

from backends.base import EngineConfig


def take_endpoint_list(config: EngineConfig, environ: MutableMapping[str, str]) -> EngineConfig:
    """Move a list of endpoints from ``HF_ENDPOINT`` into the engine's ``hub`` block.

    An engine's libraries import huggingface_hub, which takes one address there and may not even be importable with
    several (2.4.0 raises ValueError). A single address stays where it is, without the commas and blanks around it.

    :returns: the configuration whose ``hub`` means what the variable meant: these endpoints, trusted with the token.
    """
    endpoints = [url.strip() for url in environ.get("HF_ENDPOINT", "").split(",") if url.strip()]
    if len(endpoints) < 2:
        given = environ.get("HF_ENDPOINT", "")
        if endpoints and endpoints[0] != given:
            environ["HF_ENDPOINT"] = endpoints[0]
        elif given and not endpoints:  # nothing but commas: huggingface_hub would take that for an address
            del environ["HF_ENDPOINT"]
        return config
    del environ["HF_ENDPOINT"]
    return replace(config, hub={**config.hub, "endpoints": [{"url": url, "send_token": True} for url in endpoints]})
