"""How an upload becomes a stored voice, for the API and the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import Conflict
from gateway.service.clips import ClipReader
from gateway.service.request import Language
from gateway.voices.store import MAX_NAME_CHARS, MAX_TRANSCRIPT_CHARS, Voice, VoiceStore, name_key


class VoiceUpload(BaseModel):
    """A reference clip of a voice to clone."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=MAX_NAME_CHARS)] = Field(
        description="letters, digits, space, - _ . in any script"
    )
    audio: bytes = Field(description="1 to 30 s of speech in any common audio format")
    transcript: str = Field("", max_length=MAX_TRANSCRIPT_CHARS, description="what is said in it, word for word")
    language: Language | None = Field(None, description="its language as a BCP 47 tag")


async def store_voice(
    upload: VoiceUpload, store: VoiceStore, clips: ClipReader, built_in: Mapping[str, str]
) -> tuple[Voice, bool]:
    """Decode and keep a voice.

    :param built_in: names that engines use already, and the engine of each.
    :returns: the voice, and whether it is new: the same upload again changes nothing.
    :raises Conflict: the name is taken, or the store is full.
    :raises InvalidRequest: naming the field.
    """
    _check_free(upload.name, built_in)
    clip = await clips.read(upload.audio, param="audio")
    return await asyncio.to_thread(
        store.add, upload.name, upload.transcript, clip.samples, clip.rate_hz, upload.language
    )


async def rename_voice(id_or_name: str, name: str, store: VoiceStore, built_in: Mapping[str, str]) -> Voice:
    """Give a stored voice another name.

    :param built_in: as for :func:`store_voice`.
    :raises VoiceNotFound: there is no such voice.
    :raises Conflict: the name is taken.
    :raises InvalidRequest: it is no name.
    """
    _check_free(name, built_in)
    return await asyncio.to_thread(store.rename, id_or_name, name)


def _check_free(name: str, built_in: Mapping[str, str]) -> None:
    for taken, engine in built_in.items():
        if name_key(taken) == name_key(name):
            raise Conflict(f"engine {engine!r} has a voice of that name", param="name")
