"""Codec service: encode recordings to codes, generate codes of a text, and decode codes to audio."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import soxr

from backends.base import Audio, Capabilities, CodecInfo, Codes, DecodeJob, EncodeJob, Job
from backends.errors import InvalidJob
from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.engine.fair_queue import Ticket
from gateway.errors import DeadlineExceeded, GatewayError, InvalidRequest
from gateway.metrics import Metrics
from gateway.service.auth import current_key
from gateway.service.clips import ClipReader
from gateway.service.hints import engines_for
from gateway.settings import Limits

MAX_ITEMS = 64  # in one request
MAX_S = 120.0  # total duration of one request


class CodecService:
    """Encode, generate and decode; a request holds one slot of the engine, as a speech request does."""

    def __init__(self, engines: Engines, clips: ClipReader, limits: Limits, metrics: Metrics):
        self._engines = engines
        self._clips = clips
        self._limits = limits
        self._metrics = metrics
        self._job_ids = (f"codec-{number}" for number in itertools.count(1))

    async def encode(self, engine: str, recordings: Sequence[bytes]) -> list[Codes]:
        """Encode audio files to codes, each of shape (K, T).

        :raises GatewayError: if encoding fails; ``param`` is ``audios.N`` for an invalid file.
        """
        deadline_at = self._deadline_at()
        found, capabilities, _ = await self._codec(engine, deadline_at)
        _check_count(recordings, "audios")
        rate_hz = capabilities.sample_rate_hz
        waveforms: list[Audio] = []
        left_s = MAX_S
        for index, recording in enumerate(recordings):
            clip = await self._clips.read(recording, param=f"audios.{index}", max_s=MAX_S)
            left_s -= clip.duration_s
            if left_s < 0:
                raise InvalidRequest(f"the recordings are too long: the limit is {MAX_S:g} s in total", param="audios")
            waveforms.append(await asyncio.to_thread(_resampled, clip.samples, clip.rate_hz, rate_hz))
        codes = []
        async with self._slot(found, deadline_at):
            for index, waveform in enumerate(waveforms):
                with _error_param(f"audios.{index}"):
                    codes.append(await found.client.encode(EncodeJob(next(self._job_ids), waveform, rate_hz)))
        return codes

    async def generate(self, engine: ConfiguredEngine, job: Job, deadline_at: float) -> Codes:
        """Generate the codes of a job with ``codes_only``, shape (K, T).

        :raises GatewayError: if generation fails; ``param`` names the field that the engine refuses.
        """
        async with self._slot(engine, deadline_at, engine.lengths.predict(job)):
            try:
                return await engine.client.generate(job)
            except InvalidJob as error:
                hint = engines_for(self._engines, error.needs_languages) if error.needs_languages else ""
                raise InvalidRequest(error.message + hint, param=error.param) from None

    async def decode(self, engine: str, codes: Sequence[Codes]) -> tuple[list[Audio], int]:
        """Decode codes to waveforms, each of shape (N,); also return the sample rate in Hz.

        :param codes: each of shape (K, T).
        :raises GatewayError: if decoding fails; ``param`` is ``tokens.N`` for invalid codes.
        """
        deadline_at = self._deadline_at()
        found, capabilities, codec = await self._codec(engine, deadline_at)
        _check_count(codes, "tokens")
        frames = sum(item.shape[-1] for item in codes)
        if frames * codec.samples_per_frame > MAX_S * capabilities.sample_rate_hz:
            raise InvalidRequest(f"the audio would be too long: the limit is {MAX_S:g} s in total", param="tokens")
        waveforms = []
        async with self._slot(found, deadline_at):
            for index, item in enumerate(codes):
                with _error_param(f"tokens.{index}"):
                    waveforms.append(await found.client.decode(DecodeJob(next(self._job_ids), item)))
        return waveforms, capabilities.sample_rate_hz

    def _deadline_at(self) -> float:
        return asyncio.get_running_loop().time() + self._limits.deadline_s

    async def _codec(self, name: str, deadline_at: float) -> tuple[ConfiguredEngine, Capabilities, CodecInfo]:
        engine = self._engines.get(name)
        capabilities = await engine.capabilities(deadline_at)
        if capabilities.codec is None:
            raise InvalidRequest(f"engine {name!r} has no codec", param="model")
        return engine, capabilities, capabilities.codec

    @asynccontextmanager
    async def _slot(self, engine: ConfiguredEngine, deadline_at: float, seconds: float = 1.0) -> AsyncIterator[None]:
        """Hold a slot of the engine until the deadline, and count the outcome.

        :param seconds: of audio that a job would take as long for; encoding and decoding are faster than speech.
        """
        outcome = "cancelled"
        loop = asyncio.get_running_loop()
        queued_at = loop.time()
        try:
            async with asyncio.timeout_at(deadline_at), engine.slot(Ticket(seconds, current_key.get())):
                self._metrics.queue_s.labels(engine.label).observe(loop.time() - queued_at)
                yield
            outcome = "ok"
        except TimeoutError:
            outcome = DeadlineExceeded.type
            raise DeadlineExceeded(f"not finished within {self._limits.deadline_s:g} s") from None
        except Exception as error:
            outcome = error.type if isinstance(error, GatewayError) else GatewayError.type
            raise
        finally:
            self._metrics.requests.labels(engine.label, outcome).inc()


def _check_count(items: Sequence[object], param: str) -> None:
    if not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidRequest(f"has {len(items)} items: must have 1 to {MAX_ITEMS}", param=param)


@contextmanager
def _error_param(param: str) -> Iterator[None]:
    """Turn an engine's refusal into an error that names the request field."""
    try:
        yield
    except InvalidJob as error:
        raise InvalidRequest(error.message, param=param) from None


def _resampled(samples: Audio, rate_hz: int, target_hz: int) -> Audio:
    if rate_hz == target_hz:
        return samples
    resampled: Audio = soxr.resample(samples, rate_hz, target_hz, quality="HQ")
    return resampled
