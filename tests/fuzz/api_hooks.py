"""Hooks of Schemathesis: half of the cases get names that exist and real recordings, and so reach the engine."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import schemathesis
from support.audio_files import tone, wav_of

VOICE, LEXICON = "fuzz-voice", "fuzz-words"
RECORDING = wav_of([tone(1.2) * np.hanning(400).repeat(72)])  # not steady, as a voice
_NAMES = {
    "engine": "tone",
    "model": "tone",
    "name": "tone",
    "model_id": "tone",
    "voice": VOICE,
    "voice_id": VOICE,
    "reference_id": VOICE,
    "old_reference_id": VOICE,
    "lexicons": [LEXICON],
    "audio": RECORDING,
    "audio_sample": RECORDING,
    "voices": [RECORDING],
    "reference_audio": None,
    "references": [],
    "sample_rate": 16_000,
    "bitrate": None,
    "language": "en",
    "options": {},
    "text": "One. Two 2024-05-17?",
    "input": "One. Two 2024-05-17?",
}


def _with_names(context: schemathesis.HookContext, values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    names = _NAMES | (
        {"name": LEXICON, "voices": [VOICE]} if context.operation and "/lexicons/" in context.operation.path else {}
    )
    return {name: names[name] if name in names and len(repr(value)) % 2 else value for name, value in values.items()}


for hook in ("map_body", "map_query", "map_path_parameters"):
    schemathesis.hook(hook)(_with_names)


@schemathesis.serializer("application/msgpack")
def msgpack(context: schemathesis.SerializationContext, value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except OverflowError:  # an integer that MessagePack does not have: a body that is not MessagePack is a case too
        return repr(value).encode()


@schemathesis.serializer("application/pls+xml")
def pls(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")
