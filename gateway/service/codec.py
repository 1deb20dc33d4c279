"""What the codec of an engine does for its own sake: recordings to codes, codes to sound.

Letters: N samples of mono audio, G codebooks, T code frames.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import soxr

from backends.base import Audio, Capabilities, CodecInfo, Codes, DecodeJob, EncodeJob
from backends.errors import InvalidJob
from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.errors import DeadlineExceeded, GatewayError, InvalidRequest
from gateway.metrics import Metrics
from gateway.service.clips import ClipReader
from gateway.settings import Limits

MAX_ITEMS = 64  # sounds of a request
MAX_S = 120.0  # all of them together


class CodecService:
    """Encodes and decodes; a request holds one place in the engine, like one that speaks."""

    def __init__(self, engines: Engines, clips: ClipReader, limits: Limits, metrics: Metrics):
        self._engines = engines
        self._clips = clips
        self._limits = limits
        self._metrics = metrics
        self._job_ids = (f"codec-{number}" for number in itertools.count(1))

    async def encode(self, engine: str, recordings: Sequence[bytes]) -> list[Codes]:
        """The codes of audio files, each of shape (G, T).

        :raises GatewayError: why there are none; ``audios.N`` is the field at fault.
        """
        found, capabilities, _ = self._codec(engine)
        _check_count(recordings, "audios")
        rate_hz = capabilities.sample_rate_hz
        sounds: list[Audio] = []
        left_s = MAX_S
        for index, recording in enumerate(recordings):
            clip = await self._clips.read(recording, param=f"audios.{index}", min_s=0.0, max_s=MAX_S)
            left_s -= clip.duration_s
            if left_s < 0:
                raise InvalidRequest(f"the recordings are longer than {MAX_S:g} s together", param="audios")
            sounds.append(await asyncio.to_thread(_resampled, clip.samples, clip.rate_hz, rate_hz))
        codes = []
        async with self._place(found):
            for index, sound in enumerate(sounds):
                with _blamed_on(f"audios.{index}"):
                    codes.append(await found.client.encode(EncodeJob(next(self._job_ids), sound, rate_hz)))
        return codes

    async def decode(self, engine: str, codes: Sequence[Codes]) -> tuple[list[Audio], int]:
        """The sounds of codes, each of shape (N,), and their sample rate in Hz.

        :param codes: each of shape (G, T).
        :raises GatewayError: why there are none; ``tokens.N`` is the field at fault.
        """
        found, capabilities, codec = self._codec(engine)
        _check_count(codes, "tokens")
        frames = sum(one.shape[-1] for one in codes)
        if frames * codec.samples_per_frame > MAX_S * capabilities.sample_rate_hz:
            raise InvalidRequest(f"the sounds would be longer than {MAX_S:g} s together", param="tokens")
        sounds = []
        async with self._place(found):
            for index, one in enumerate(codes):
                with _blamed_on(f"tokens.{index}"):
                    sounds.append(await found.client.decode(DecodeJob(next(self._job_ids), one)))
        return sounds, capabilities.sample_rate_hz

    def _codec(self, name: str) -> tuple[ConfiguredEngine, Capabilities, CodecInfo]:
        engine = self._engines.get(name)
        capabilities = engine.client.capabilities
        if capabilities is None:
            raise engine.client.unavailable()
        if capabilities.codec is None:
            raise InvalidRequest(f"engine {name!r} has no codec", param="model")
        return engine, capabilities, capabilities.codec

    @asynccontextmanager
    async def _place(self, engine: ConfiguredEngine) -> AsyncIterator[None]:
        """Hold a place in the engine until the deadline; tell the metrics how it went."""
        outcome = "cancelled"
        deadline_s = self._limits.deadline_s
        try:
            async with asyncio.timeout(deadline_s), engine.admission.slot():
                yield
            outcome = "ok"
        except TimeoutError:
            outcome = DeadlineExceeded.type
            raise DeadlineExceeded(f"not finished within {deadline_s:g} s") from None
        except Exception as error:
            outcome = error.type if isinstance(error, GatewayError) else GatewayError.type
            raise
        finally:
            self._metrics.requests.labels(engine.label, outcome).inc()


def _check_count(items: Sequence[object], param: str) -> None:
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidRequest(f"has {len(items)} items; there have to be 1 to {MAX_ITEMS}", param=param)


@contextmanager
def _blamed_on(param: str) -> Iterator[None]:
    """An engine's refusal names the request's field."""
    try:
        yield
    except InvalidJob as error:
        raise InvalidRequest(error.message, param=param) from None


def _resampled(samples: Audio, rate_hz: int, wanted_hz: int) -> Audio:
    if rate_hz == wanted_hz:
        return samples
    resampled: Audio = soxr.resample(samples, rate_hz, wanted_hz, quality="HQ")
    return resampled
