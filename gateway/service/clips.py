"""Decoder for reference clips in requests: runs in threads, a few clips at a time."""

from __future__ import annotations

import asyncio

from gateway.audio.decode import DecodedAudio, decode
from gateway.settings import Limits

MAX_CONCURRENT = 2  # decoding shares threads with encoding, which must not wait for many uploads


class ClipReader:
    """Decode untrusted audio files within the configured limits."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._semaphore = asyncio.Semaphore(MAX_CONCURRENT)

    async def read(
        self, data: bytes, param: str, *, min_s: float | None = None, max_s: float | None = None
    ) -> DecodedAudio:
        """Decode an audio file.

        :param param: the request field to name in errors.
        :param min_s: default: ``limits.reference_min_s``.
        :param max_s: default: ``limits.reference_max_s``.
        :raises InvalidRequest: if the audio is too short or too long.
        :raises UnsupportedMedia: if the data is not an audio file of a supported format.
        """
        async with self._semaphore:
            return await asyncio.to_thread(
                decode,
                data,
                min_s=self._limits.reference_min_s if min_s is None else min_s,
                max_s=self._limits.reference_max_s if max_s is None else max_s,
                param=param,
            )
