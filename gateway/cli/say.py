"""``voxgate say``."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.audio.formats import FORMATS, AudioFormat, get_format
from gateway.cli.console import err, exit_on_error, fail, progress_bar
from gateway.cli.options import ApiKeyOption, ConfigOption, ServerOption, find_server, settings_or_exit
from gateway.errors import InvalidRequest
from gateway.service.request import SpeechRequest, parse
from gateway.text.bedrock.answers import spoken_text
from gateway.text.fields import with_plain_text

if TYPE_CHECKING:
    from gateway.cli.remote import RemoteGateway

STDOUT = Path("-")


def say(
    text: Annotated[str, typer.Argument(help="Text to speak; - reads it from standard input.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="File to write, or - for standard output; its extension selects the format."
        ),
    ],
    engine: Annotated[str | None, typer.Option("--engine", "-e", help="Engine; default: the configured one.")] = None,
    voice: Annotated[str | None, typer.Option("--voice", "-v", help="Built-in or stored voice.")] = None,
    speed: Annotated[float, typer.Option(help="Speed, 0.25 to 4.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Random seed; equal seeds give equal audio.")] = None,
    fmt: Annotated[
        str | None, typer.Option("--format", "-f", help=f"{', '.join(FORMATS)}; default: by the extension.")
    ] = None,
    option: Annotated[list[str] | None, typer.Option("--option", help="Engine option as key=value.")] = None,
    reference_audio: Annotated[Path | None, typer.Option(help="Recording of a voice to clone.")] = None,
    reference_text: Annotated[str | None, typer.Option(help="Transcript of the recording.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the text, e.g. en.")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Sample rate in Hz; default: the engine's.")] = None,
    response: Annotated[
        bool, typer.Option("--response", help="The text is a response of a model on Bedrock: JSON or JSON Lines.")
    ] = False,
    markdown: Annotated[
        bool | None,
        typer.Option("--markdown/--no-markdown", help="Convert Markdown to plain text; default: only with --response."),
    ] = None,
    show_text: Annotated[bool, typer.Option("--show-text", help="Also print the text as it is spoken.")] = False,
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Write speech to a file, through a running gateway, or with an engine of its own if no gateway is found."""
    with exit_on_error():
        fmt = get_format(fmt).name if fmt else format_of(output).name
    check_writable(output)
    fields: dict[str, Any] = {
        "text": _plain(sys.stdin.read() if text == "-" else text, response, markdown),
        "engine": engine,
        "voice": voice,
        "speed": speed,
        "seed": seed,
        "format": fmt,
        "reference_audio": _read(reference_audio) if reference_audio else None,
        "reference_text": reference_text,
        "language": language,
        "sample_rate": sample_rate,
        "options": dict(engine_option(item) for item in option or ()),
    }
    with exit_on_error():
        request = parse(SpeechRequest, fields)
    if found := find_server(server, config, api_key):
        data, summary, spoken = _by_server(found, request)
    else:
        settings = settings_or_exit(config)
        from gateway.cli.local import speak  # importing the whole gateway takes a second, and a server needs none of it

        with exit_on_error():
            data, summary, spoken = asyncio.run(speak(settings, request))
    _write(output, data)
    err.print(f"{output}: {summary}", soft_wrap=True)
    if show_text:
        typer.echo(spoken, err=output == STDOUT)


def _plain(text: str, response: bool, markdown: bool | None) -> str:
    with exit_on_error():
        if response:
            text = spoken_text(text)
        plain: str = with_plain_text({"text": text, "markdown": response if markdown is None else markdown})["text"]
    return plain


def format_of(output: Path) -> AudioFormat:
    """The format of a file's extension; WAV for a file without one.

    :raises InvalidRequest: if no format has the extension.
    """
    try:
        return get_format(output.suffix.removeprefix(".") or "wav")
    except InvalidRequest:
        known = ", ".join(dict.fromkeys(f".{fmt.extension}" for fmt in FORMATS.values()))
        raise InvalidRequest(
            f"unknown extension {output.suffix}: must be one of {known}, or choose a format with --format",
            param="--output",
        ) from None


def check_writable(output: Path) -> None:
    """Exit if the file could not be written, before the work of speaking."""
    if output == STDOUT:
        return
    if not output.parent.is_dir():
        raise fail(f"the folder {output.parent} does not exist: create it first", 2)
    if output.is_dir() or not os.access(output if output.exists() else output.parent, os.W_OK):
        raise fail(f"cannot write {output}: it is a folder, read-only, or another user's: choose another --output")


def _write(output: Path, data: bytes) -> None:
    try:
        if output == STDOUT:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            output.write_bytes(data)
    except OSError as error:
        raise fail(f"cannot write {output}: {error.strerror}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path}: {error.strerror}") from None


def engine_option(item: str) -> tuple[str, Any]:
    """Parse ``key=value``, whose value is JSON if it can be."""
    key, equals, value = item.partition("=")
    if not (key and equals):
        raise typer.BadParameter(f"invalid option {item!r}: must be key=value")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _by_server(server: RemoteGateway, request: SpeechRequest) -> tuple[bytes, str, str]:
    body = request.model_dump(exclude_none=True)
    if request.reference_audio is not None:
        body["reference_audio"] = base64.b64encode(request.reference_audio).decode()
    with progress_bar() as bar:
        bar.add_task(f"waiting for {server.url}", total=None)
        answer = server.request("POST", "/tts", json={**body, "response": "base64"}).json()
    summary = "{duration_s:.3f} s, engine {engine} ({model}), voice {voice}, seed {seed}".format(**answer)
    return base64.b64decode(answer["audio"]), summary, answer["spoken_text"]
