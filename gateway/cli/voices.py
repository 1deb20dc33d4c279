"""``voxgate voices list|add|remove``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer
from rich.table import Table

from gateway.cli.console import err, exit_on_error, fail, out
from gateway.cli.options import ApiKeyOption, ConfigOption, ServerOption, find_server, settings_or_exit
from gateway.service.request import parse
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.voices.store import VoiceStore

app = typer.Typer(help="Manage reference voices of a running gateway, or of the data folder.", no_args_is_help=True)


def _store(settings: Settings) -> VoiceStore:
    """Open the store in the data folder. Imported late, because commands that use a server do not need it."""
    from gateway.app import voice_store

    return voice_store(settings)


@app.command("list")
def list_voices(server: ServerOption = None, api_key: ApiKeyOption = None, config: ConfigOption = None) -> None:
    """List built-in and stored voices."""
    if found := find_server(server, config, api_key):
        answer = found.request("GET", "/v1/voices").json()
        voices, damaged = answer["voices"], [(voice["id"], voice["error"]) for voice in answer.get("damaged", ())]
    else:
        store = _store(settings_or_exit(config))
        stored, damaged = store.list(), [(voice.id, voice.error) for voice in store.damaged()]
        voices = [
            {
                "id": voice.id,
                "name": voice.name,
                "kind": "stored",
                "language": voice.language,
                "duration_s": voice.duration_s,
                "transcript": voice.transcript,
            }
            for voice in stored
        ]
    table = Table("id", "name", "kind", "language", "seconds", "transcript")
    for voice in voices:
        kind = f"{voice['kind']} ({voice['engine']})" if voice.get("engine") else voice["kind"]
        seconds = f"{voice['duration_s']:.1f}" if voice.get("duration_s") else ""
        table.add_row(
            voice["id"], voice["name"], kind, voice.get("language") or "", seconds, voice.get("transcript") or ""
        )
    for voice_id, error in damaged:
        table.add_row(voice_id, "", "damaged", "", "", error)
    out.print(table)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Name of the voice in requests.")],
    audio: Annotated[Path, typer.Argument(help="Recording: 1 to 30 s of speech, in any common audio format.")],
    transcript: Annotated[str, typer.Option("--transcript", "-t", help="Verbatim transcript of the recording.")] = "",
    language: Annotated[str | None, typer.Option(help="Language of the recording, e.g. en.")] = None,
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Store a voice."""
    try:
        data = audio.read_bytes()
    except OSError as error:
        raise fail(f"cannot read {audio}: {error.strerror}") from None
    if found := find_server(server, config, api_key):
        form = {"name": name, "transcript": transcript, **({"language": language} if language else {})}
        answer = found.request("POST", "/v1/voices", data=form, files={"audio": (audio.name, data)})
        voice_id, created = answer.json()["id"], answer.status_code == 201
    else:
        settings = settings_or_exit(config)
        from gateway.service.clips import ClipReader
        from gateway.service.voices import VoiceUpload, store_voice

        with exit_on_error():
            upload = parse(
                VoiceUpload, {"name": name, "audio": data, "transcript": transcript, "language": language}, strict=True
            )
            # Without a server, the names of built-in voices are unknown; the server prefers stored voices to those.
            storing = store_voice(upload, _store(settings), ClipReader(settings.limits), built_in={})
            voice, created = asyncio.run(storing)
            voice_id = voice.id
    err.print(f"{'stored' if created else 'was stored already'} as {voice_id}")


@app.command()
def remove(
    voice: Annotated[str, typer.Argument(help="ID or name of the voice.")],
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Remove a stored voice."""
    if found := find_server(server, config, api_key):
        found.request("DELETE", f"/v1/voices/{quote(voice, safe='')}")
    else:
        with exit_on_error():
            _store(settings_or_exit(config)).remove(voice)
    err.print(f"removed {voice}")
