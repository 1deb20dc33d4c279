"""Storing and renaming of uploaded voices, for the API and the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.engine.catalog import Engines, EngineVoice
from gateway.errors import Conflict
from gateway.service.clips import ClipReader
from gateway.service.request import Language
from gateway.voices.store import MAX_NAME_CHARS, MAX_TRANSCRIPT_CHARS, Voice, VoiceStore, name_key

VoiceName = Annotated[
    str,
    Field(max_length=MAX_NAME_CHARS, description="letters, digits, space and - _ . ' ( ) & , + · in any script"),
]


class VoiceUpload(BaseModel):
    """A reference clip of a voice to clone."""

    model_config = ConfigDict(extra="forbid")

    name: VoiceName
    audio: bytes = Field(description="1 to 30 s of speech in any common audio format")
    transcript: str = Field("", max_length=MAX_TRANSCRIPT_CHARS, description="verbatim transcript of the audio")
    language: Language = Field(None, description="the audio's language as a BCP 47 tag or a name")


async def store_voice(
    upload: VoiceUpload, store: VoiceStore, clips: ClipReader, built_in: Mapping[str, str]
) -> tuple[Voice, bool]:
    """Decode and store a voice. Repeating an upload changes nothing.

    :param built_in: names of built-in voices, mapped to their engines.
    :returns: the voice, and whether it is new.
    :raises Conflict: if the name is taken or the store is full.
    :raises InvalidRequest: naming the field.
    """
    _check_free(upload.name, built_in)
    clip = await clips.read_voice(upload.audio, param="audio")
    return await asyncio.to_thread(
        store.add, upload.name, upload.transcript, clip.samples, clip.rate_hz, upload.language
    )


async def rename_voice(id_or_name: str, name: str, store: VoiceStore, built_in: Mapping[str, str]) -> Voice:
    """Rename a stored voice.

    :param built_in: as for :func:`store_voice`.
    :raises VoiceNotFound: if there is no such voice.
    :raises Conflict: if the name is taken.
    :raises InvalidRequest: if the name is invalid.
    """
    _check_free(name, built_in)
    return await asyncio.to_thread(store.rename, id_or_name, name)


def voice_warnings(voice: Voice, engines: Engines, built_in: Sequence[EngineVoice]) -> list[str]:
    """Warnings about the use of a stored voice with the engines that are known so far."""
    warnings = [
        f"engine {engine!r} has a built-in voice of this name, which requests get only without `voice`"
        for engine, other, _ in built_in
        if name_key(other.name) == name_key(voice.name)
    ]
    for engine in engines:
        can = engine.client.last_load
        if can and can.max_reference_s and voice.duration_s > can.max_reference_s:
            warnings.append(
                f"engine {engine.name!r} uses up to {can.max_reference_s:g} s of speech, and the clip has "
                f"{voice.duration_s:.1f} s: cut it and its transcript"
            )
    return warnings


def _check_free(name: str, built_in: Mapping[str, str]) -> None:
    for taken, engine in built_in.items():
        if name_key(taken) == name_key(name):
            raise Conflict(f"name taken: engine {engine!r} has a built-in voice {taken!r}", param="name")
