"""``voxgate say``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gateway.api.body import parse
from gateway.app import local_clients, voice_store
from gateway.audio.encode import encode
from gateway.audio.formats import FORMATS
from gateway.cli.common import ConfigOption, Server, ServerOption, err, explained, find_server, settings_or_exit
from gateway.engine.catalog import Engine, Engines
from gateway.engine.client import State
from gateway.errors import EngineUnavailable
from gateway.metrics import Metrics
from gateway.service.request import SpeechRequest
from gateway.service.speech import SpeechInfo
from gateway.service.synthesize import Synthesizer
from gateway.settings import Settings


def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; its ending chooses the format.")],
    engine: Annotated[str | None, typer.Option("--engine", "-e", help="Engine; default: the configured one.")] = None,
    voice: Annotated[str | None, typer.Option("--voice", "-v", help="Built-in or stored voice.")] = None,
    speed: Annotated[float, typer.Option(help="Pace, 0.25 to 4.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Same seed, same audio.")] = None,
    fmt: Annotated[str | None, typer.Option("--format", "-f", help="wav, mp3, flac, opus, aac or pcm.")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", help="Engine option as key=value.")] = None,
    reference_audio: Annotated[Path | None, typer.Option(help="Clip of a voice to clone.")] = None,
    reference_text: Annotated[str | None, typer.Option(help="What is said in the clip.")] = None,
    server: ServerOption = None,
    config: ConfigOption = None,
) -> None:
    """Speak a text into a file, through a running gateway or, where there is none, with an engine of its own."""
    fields: dict[str, Any] = {
        "text": sys.stdin.read() if text == "-" else text,
        "engine": engine,
        "voice": voice,
        "speed": speed,
        "seed": seed,
        "format": fmt or _format_of(output),
        "reference_audio": _read(reference_audio) if reference_audio else None,
        "reference_text": reference_text,
        "options": dict(_option(item) for item in option or ()),
    }
    with explained():
        request = parse(SpeechRequest, fields)
    if found := find_server(server):
        data, told = _by_server(found, request)
    else:
        settings = settings_or_exit(config)
        with explained():
            data, told = asyncio.run(_by_worker(settings, request))
    output.write_bytes(data)
    err.print(f"{output}: {told}", highlight=False, soft_wrap=True)


def _format_of(output: Path) -> str:
    ending = output.suffix.lstrip(".").lower()
    return {"ogg": "opus", "raw": "pcm"}.get(ending, ending if ending in FORMATS else "wav")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path}: {error.strerror}") from None


def _option(item: str) -> tuple[str, Any]:
    key, equals, value = item.partition("=")
    if not (key and equals):
        raise typer.BadParameter(f"{item!r} is not key=value")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=err, transient=True
    )


def _by_server(server: Server, request: SpeechRequest) -> tuple[bytes, str]:
    body = request.model_dump(mode="json", exclude_none=True)
    with _bar() as bar:
        bar.add_task(f"speaking at {server.url}", total=None)
        response = server.request("POST", "/tts", json=body)
    told = {name: response.headers[f"x-voxgate-{name}"] for name in ("duration", "engine", "model", "voice", "seed")}
    return response.content, "{duration} s, engine {engine} ({model}), voice {voice}, seed {seed}".format(**told)


async def _by_worker(settings: Settings, request: SpeechRequest) -> tuple[bytes, str]:
    """Load just the engine that is asked for, in a worker process, and speak with it."""
    name = request.engine or settings.default_engine
    metrics = Metrics()
    engines = Engines(
        {client.name: Engine.of(settings.engines[client.name], client) for client in local_clients(settings, metrics)},
        settings.default_engine,
    )
    synthesizer = Synthesizer(engines, voice_store(settings), settings.limits, metrics)
    try:
        with _bar() as bar:
            await _load(engines.get(name), bar)
            task = bar.add_task("speaking", total=len(request.text))
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
        return data, _told(speech.info, len(samples) / rate_hz)
    finally:
        await engines.close()


async def _load(engine: Engine, bar: Progress) -> None:
    engine.client.load()
    task = bar.add_task(f"loading {engine.name}", total=None)
    while (status := engine.client.status()).state is not State.READY:
        if status.state is State.FAILED:
            raise EngineUnavailable(f"engine {engine.name!r} cannot be loaded: {status.error}")
        if progress := status.progress:
            bar.update(task, description=progress.stage, completed=progress.done, total=progress.total)
        await asyncio.sleep(0.05)
    bar.remove_task(task)


def _told(info: SpeechInfo, duration_s: float) -> str:
    return f"{duration_s:.3f} s, engine {info.engine} ({info.model}), voice {info.voice}, seed {info.seed}"
