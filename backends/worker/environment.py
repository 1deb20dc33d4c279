"""Preparation of the worker's environment before an engine is imported."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

from backends.base import EngineConfig


def move_endpoint_list(config: EngineConfig, environ: MutableMapping[str, str]) -> EngineConfig:
    """Move a list of endpoints from ``HF_ENDPOINT`` into the engine's ``hub`` block.

    The engine's libraries import huggingface_hub, which supports a single URL in that variable; with several, importing
    it may fail (2.4.0 raises ValueError). A single URL stays, without surrounding commas and spaces.

    :returns: the configuration with these endpoints in ``hub``; like those of the variable, they receive the token.
    """
    endpoints = [url.strip() for url in environ.get("HF_ENDPOINT", "").split(",") if url.strip()]
    if len(endpoints) < 2:
        given = environ.get("HF_ENDPOINT", "")
        if endpoints and endpoints[0] != given:
            environ["HF_ENDPOINT"] = endpoints[0]
        elif given and not endpoints:  # only commas, which huggingface_hub would use as a URL
            del environ["HF_ENDPOINT"]
        return config
    del environ["HF_ENDPOINT"]
    return replace(config, hub={**config.hub, "endpoints": [{"url": url, "send_token": True} for url in endpoints]})
