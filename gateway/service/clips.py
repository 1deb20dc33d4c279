"""Reference clips from requests: decoded off the event loop, a few at a time."""

from __future__ import annotations

import asyncio

from gateway.audio.decode import DecodedAudio, decode
from gateway.settings import Limits

AT_ONCE = 2  # decoding shares its threads with encoding, which must not wait behind a heap of uploads


class ClipReader:
    """Decodes what strangers upload, within the configured limits."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._places = asyncio.Semaphore(AT_ONCE)

    async def read(
        self, data: bytes, param: str, *, min_s: float | None = None, max_s: float | None = None
    ) -> DecodedAudio:
        """Decode an audio file.

        :param param: the request field to name in errors.
        :param min_s: instead of ``limits.reference_min_s``.
        :param max_s: instead of ``limits.reference_max_s``.
        :raises InvalidRequest: too short or too long.
        :raises UnsupportedMedia: no audio file of a known kind.
        """
        async with self._places:
            return await asyncio.to_thread(
                decode,
                data,
                min_s=self._limits.reference_min_s if min_s is None else min_s,
                max_s=self._limits.reference_max_s if max_s is None else max_s,
                param=param,
            )
