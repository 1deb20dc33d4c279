"""Built-in and stored voices, for every API that lists or stores voices."""

from __future__ import annotations

from backends.base import BuiltinVoice
from gateway.api.common.deps import Services
from gateway.service.voices import VoiceUpload, rename_voice, store_voice
from gateway.voices.store import Voice


def built_in_voices(services: Services) -> list[tuple[str, BuiltinVoice]]:
    """Engine names and built-in voices of every engine that has been loaded once."""
    return [
        (engine.name, voice)
        for engine in services.engines
        if (capabilities := engine.client.capabilities)
        for voice in capabilities.voices
    ]


async def store_upload(upload: VoiceUpload, services: Services) -> tuple[Voice, bool]:
    """Store a voice; see :func:`gateway.service.voices.store_voice`."""
    return await store_voice(upload, services.voices, services.clips, _engines_by_voice(services))


async def rename_stored(id_or_name: str, name: str, services: Services) -> Voice:
    """Rename a stored voice; see :func:`gateway.service.voices.rename_voice`."""
    return await rename_voice(id_or_name, name, services.voices, _engines_by_voice(services))


def _engines_by_voice(services: Services) -> dict[str, str]:
    """Names of built-in voices, mapped to their engines; stored voices must not use them."""
    return {voice.name: engine for engine, voice in built_in_voices(services)}
