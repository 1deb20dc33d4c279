"""Synthesis without a server: the gateway's synthesizer in this process, with one engine in a worker process."""

from __future__ import annotations

import asyncio

import numpy as np
from rich.progress import Progress

from gateway.app import local_clients, voice_store
from gateway.audio.encode import encode
from gateway.cli.console import progress_bar
from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.engine.client import State
from gateway.errors import EngineUnavailable
from gateway.metrics import Metrics
from gateway.service.clips import ClipReader
from gateway.service.request import SpeechRequest
from gateway.service.speech import SpeechInfo
from gateway.service.synthesize import Synthesizer
from gateway.settings import Settings


async def speak(settings: Settings, request: SpeechRequest) -> tuple[bytes, str]:
    """Load the requested engine in a worker process and synthesize the request.

    :returns: the audio file, and a summary line.
    :raises GatewayError: if the request is invalid or fails.
    """
    name = request.engine or settings.default_engine
    metrics = Metrics()
    engines = Engines(
        {
            client.name: ConfiguredEngine.of(settings.engines[client.name], client)
            for client in local_clients(settings, metrics)
        },
        settings.default_engine,
    )
    synthesizer = Synthesizer(engines, voice_store(settings), ClipReader(settings.limits), settings.limits, metrics)
    try:
        with progress_bar() as bar:
            await _load(engines.get(name), bar)
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
        return data, _summary(speech.info, len(samples) / rate_hz)
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
