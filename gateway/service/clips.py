"""Decoder for reference clips in requests: a few at a time, in child processes."""

from __future__ import annotations

import asyncio
from functools import partial

from gateway.audio.decode import DecodedAudio, decode
from gateway.audio.threads import in_thread
from gateway.audio.voice_check import check_voice
from gateway.reference_urls import ReferenceUrls
from gateway.service.clip_urls import ClipUrls, as_url
from gateway.settings import Limits

MAX_CONCURRENT = 2  # each takes a process, and a thread that encoders need as well


class ClipReader:
    """Decode untrusted audio files within the configured limits.

    :param urls: downloads clips; default: URLs are refused.
    """

    def __init__(self, limits: Limits, urls: ClipUrls | None = None):
        self._limits = limits
        self._urls = urls or ClipUrls(ReferenceUrls(), limits.body_bytes)
        self._semaphore = asyncio.Semaphore(MAX_CONCURRENT)

    async def read_voice(self, data: bytes, param: str) -> DecodedAudio:
        """Decode a recording of a voice to clone, for every engine.

        :param data: an audio file, or its URL.
        :param param: the request field to name in errors.
        :raises InvalidRequest: if the audio is too short or too long, or has no speech.
        :raises UnsupportedMedia: if the data is not an audio file of a supported format.
        """
        if url := as_url(data):
            data = await self._urls.fetch(url, param)
        async with self._semaphore:
            return await in_thread(partial(self._decode_voice, data, param))

    async def read(self, data: bytes, param: str, *, max_s: float) -> DecodedAudio:
        """Decode an audio file of any content. Parameters and errors as for :meth:`read_voice`.

        :param max_s: longest duration.
        """
        async with self._semaphore:
            return await in_thread(partial(decode, data, min_s=0.0, max_s=max_s, param=param))

    def _decode_voice(self, data: bytes, param: str) -> DecodedAudio:
        min_s, max_s = self._limits.reference_min_s, self._limits.reference_max_s
        clip = decode(data, min_s=min_s, max_s=max_s, param=param)
        check_voice(clip.samples, clip.rate_hz, param)
        return clip
