"""Built-in and stored voices, for every API that lists or stores voices."""

from __future__ import annotations

import asyncio

from fastapi import Request

from gateway.api.common.deps import Services
from gateway.api.common.scope import header
from gateway.service.voices import VoiceUpload, rename_voice, store_voice
from gateway.voices.store import Voice


async def check_space(request: Request, services: Services) -> None:
    """Refuse an upload for which the disk has no room, before its body is read.

    :raises InsufficientStorage: if so.
    """
    await asyncio.to_thread(services.voices.check_free, declared_bytes(request))


def declared_bytes(request: Request) -> int:
    """The size of a request's body; 0 if it is unknown."""
    size = header(request.scope, b"content-length")
    return int(size) if size.isdecimal() else 0


async def store_upload(upload: VoiceUpload, services: Services) -> tuple[Voice, bool]:
    """Store a voice; see :func:`gateway.service.voices.store_voice`."""
    return await store_voice(upload, services.voices, services.clips, await _engines_by_voice(services))


async def rename_stored(id_or_name: str, name: str, services: Services) -> Voice:
    """Rename a stored voice; see :func:`gateway.service.voices.rename_voice`."""
    return await rename_voice(id_or_name, name, services.voices, await _engines_by_voice(services))


async def _engines_by_voice(services: Services) -> dict[str, str]:
    """Names of built-in voices, mapped to their engines; new stored voices must not use them."""
    return {voice.name: engine for engine, voice, _ in await services.engines.built_in_voices()}
