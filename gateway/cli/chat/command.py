"""The command ``voxgate chat``."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.audio.formats import FORMATS, get_format
from gateway.cli.console import err, exit_on_error, fail
from gateway.cli.deploy import ProfileOption, RegionOption, exit_on_aws_error
from gateway.cli.options import ApiKeyOption, ServerOption, find_server
from gateway.cli.say import STDOUT, check_writable, engine_option, format_of
from gateway.deploy.aws import Aws
from gateway.service.request import VoiceSpec, parse

SYSTEM = "You are speaking: answer in a few plain sentences, without lists, headings or any other markup."
_MAX_SEED = 2**31


def chat(
    model: Annotated[
        str, typer.Option("--model", "-m", help="Model or inference profile on Bedrock, e.g. amazon.nova-lite-v1:0.")
    ],
    text: Annotated[
        str | None,
        typer.Argument(help="Question; - reads it from standard input. Without it: a conversation, one line each."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write, or - for standard output; default: play the speech."),
    ] = None,
    fmt: Annotated[
        str | None, typer.Option("--format", "-f", help=f"{', '.join(FORMATS)}; default: by the extension.")
    ] = None,
    system: Annotated[str, typer.Option(help="System prompt; an empty one sends none.")] = SYSTEM,
    temperature: Annotated[float | None, typer.Option(min=0, max=1, help="Temperature of the model.")] = None,
    top_p: Annotated[float | None, typer.Option(min=0, max=1, help="Nucleus sampling of the model.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in the model's tokens.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", "-e", help="Engine; default: the configured one.")] = None,
    voice: Annotated[str | None, typer.Option("--voice", "-v", help="Built-in or stored voice.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the answers, e.g. en.")] = None,
    speed: Annotated[float, typer.Option(help="Speed, 0.25 to 4.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Random seed of the speech.")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", help="Engine option as key=value.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Speak by this SageMaker endpoint, not by a gateway.")] = None,
    component: Annotated[
        str | None, typer.Option("--inference-component", help="Inference component of the endpoint.")
    ] = None,
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    region: RegionOption = None,
    profile: ProfileOption = None,
) -> None:
    """Ask a model on Amazon Bedrock, and speak its answer while the model writes it."""
    # Imported here, because they take a tenth of a second, and all commands import this module.
    from gateway.cli.chat.answers import Conversation
    from gateway.cli.chat.output import File, Output, Player
    from gateway.cli.chat.speech import EndpointVoice, GatewayVoice, Voice

    given = {
        "engine": engine,
        "voice": voice,
        "language": language,
        "speed": speed,
        "seed": secrets.randbelow(_MAX_SEED) if seed is None else seed,  # one voice for the whole conversation
        "options": dict(engine_option(item) for item in option or ()),
    }
    with exit_on_error(2), exit_on_aws_error():
        fields = parse(VoiceSpec, given).model_dump(mode="json", include=set(given), exclude_none=True)
        aws = Aws(region, profile)
        out: Output = Player() if output is None else File(output, get_format(fmt) if fmt else format_of(output))
        if output is not None:
            check_writable(output)
        speaker: Voice
        if endpoint is not None:
            speaker = EndpointVoice(aws, endpoint, component, fields)
        elif (found := find_server(server, None, api_key)) is not None:
            speaker = GatewayVoice(found, fields)
        else:
            raise fail("no gateway is running: start one with `voxgate serve`, or give --server URL or --endpoint NAME")
        inference = {"temperature": temperature, "topP": top_p, "maxTokens": max_tokens}
        conversation = Conversation(
            aws, model, system, {key: value for key, value in inference.items() if value is not None}
        )
    with exit_on_error(), exit_on_aws_error(), aws:
        try:
            for question in _questions(text):
                asyncio.run(_answer(conversation, question, speaker, out, echo_to_stderr=output == STDOUT))
        finally:
            out.close()


def _questions(text: str | None) -> Iterator[str]:
    """The question of the command line or of standard input, or those that the user types."""
    if text is not None:
        yield sys.stdin.read() if text == "-" else text
    elif not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin if line.strip())
    else:
        err.print("One question a line; Ctrl-D ends the conversation.")
        while True:
            try:
                line = input("> ")
            except (EOFError, KeyboardInterrupt):
                err.print()
                return
            if line.strip():
                yield line


async def _answer(conversation: Any, question: str, voice: Any, out: Any, echo_to_stderr: bool) -> None:
    """Speak and print one answer."""

    async def printed() -> AsyncIterator[str]:
        async with aclosing(conversation.ask(question)) as answer:
            async for delta in answer:
                typer.echo(delta, nl=False, err=echo_to_stderr)
                yield delta
        typer.echo(err=echo_to_stderr)

    async with aclosing(voice.speak(printed())) as speech:
        async for pcm in speech:
            await asyncio.to_thread(out.write, pcm)
    await asyncio.to_thread(out.end_answer)
