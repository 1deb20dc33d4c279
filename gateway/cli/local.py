"""Synthesis without a server: the gateway's synthesizer in this process, with one engine in a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from rich.progress import Progress

from gateway.app import lexicon_store, local_clients, voice_store
from gateway.audio.encode import encode
from gateway.cli.console import progress_bar
from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.engine.client import State
from gateway.errors import EngineUnavailable
from gateway.metrics import Metrics
from gateway.service.clips import ClipReader
from gateway.service.request import SpeechRequest, VoiceSpec
from gateway.service.speech import SpeechInfo
from gateway.service.synthesize import Synthesizer
from gateway.settings import Settings
from gateway.text.sections import PreparedText


async def speak(settings: Settings, request: SpeechRequest) -> tuple[bytes, str, str]:
    """Load the requested engine in a worker process and synthesize the request.

    :returns: the audio file, a summary line, and the text as it was spoken.
    :raises GatewayError: if the request is invalid or fails.
    """
    with progress_bar() as bar:
        async with _loaded(settings, request.engine, bar) as (synthesizer, _):
            task = bar.add_task("synthesizing", total=len(request.text))
            speech = await synthesizer.open(request)
            try:
                parts = []
                async for chunk in speech.chunks():
                    parts.append(chunk.samples)
                    if chunk.text_span:
                        bar.update(task, completed=chunk.text_span[1])
            finally:
                await speech.aclose()
    samples, rate_hz = np.concatenate(parts), speech.engine_rate_hz
    data = encode(samples, rate_hz, speech.info.format, speech.info.sample_rate_hz)
    return data, _summary(speech.info, len(samples) / rate_hz), speech.spoken_text


async def inspect(settings: Settings, spec: VoiceSpec, text: str) -> tuple[str, PreparedText]:
    """Load the requested engine in a worker process and run the text stage.

    :returns: the engine's name, and what it would speak.
    :raises GatewayError: if a field or the markup is invalid.
    """
    with progress_bar() as bar:
        async with _loaded(settings, spec.engine, bar) as (synthesizer, engine):
            return engine.name, await synthesizer.inspect(spec, text)


@asynccontextmanager
async def _loaded(
    settings: Settings, engine: str | None, bar: Progress
) -> AsyncIterator[tuple[Synthesizer, ConfiguredEngine]]:
    """A synthesizer, and an engine that is loaded; the engine is closed at the end."""
    metrics = Metrics()
    engines = Engines(
        {
            client.name: ConfiguredEngine.of(settings.engines[client.name], client)
            for client in local_clients(settings, metrics)
        },
        settings.default_engine,
    )
    try:
        loaded = engines.get(engine)
        await _load(loaded, bar)
        clips, limits = ClipReader(settings.limits), settings.limits
        yield Synthesizer(engines, voice_store(settings), lexicon_store(settings), clips, limits, metrics), loaded
    finally:
        await engines.close()


async def _load(engine: ConfiguredEngine, bar: Progress) -> None:
    engine.client.load()
    task = bar.add_task(f"loading {engine.name}", total=None)
    while (status := engine.client.status()).state is not State.READY:
        if status.state is State.FAILED:
            raise EngineUnavailable(f"engine {engine.name!r} failed to load: {status.error}")
        if progress := status.progress:
            bar.update(task, description=progress.stage, completed=progress.done, total=progress.total)
        await asyncio.sleep(0.05)
    bar.remove_task(task)


def _summary(info: SpeechInfo, duration_s: float) -> str:
    return f"{duration_s:.3f} s, engine {info.engine} ({info.model}), voice {info.voice}, seed {info.seed}"
