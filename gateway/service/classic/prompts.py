"""Voice prompts of the classic Fish-Speech API: local files with codes or recordings, or stored voices."""

from __future__ import annotations

import base64
from typing import Any

from gateway.errors import BadRequest, VoiceNotFound
from gateway.service.classic.files import RequestFiles
from gateway.voices.store import VoiceStore


def voice_fields(tokens: str, text: str | None, files: RequestFiles, voices: VoiceStore) -> dict[str, Any]:
    """Map the fields ``prompt_tokens`` and ``prompt_text`` to fields of a SpeechRequest. Blocks on disk access.

    :param tokens: a path that ends in ``.npy`` (codes, which the engine checks) or ``.wav``, or a stored voice's ID or
        name.
    :param text: transcript of the prompt, if the request has one.
    :raises GatewayError: if there is no such file or voice, or the file is outside the allowed folders or unreadable.
    """
    text = (text or "").strip() or None
    if tokens.endswith(".npy"):
        codes = {"prompt_tokens": base64.b64encode(files.read(tokens, "prompt_tokens")).decode()}
        return {"options": {**codes, "prompt_text": text} if text else codes}
    if tokens.endswith(".wav"):
        return {"reference_audio": files.read(tokens, "prompt_tokens"), "reference_text": text}
    try:
        voice = voices.get(tokens)
        if text is None:
            return {"voice": voice.id}
        return {"reference_audio": voices.audio(voice.id), "reference_text": text}
    except VoiceNotFound:
        message = "Unknown prompt tokens, it should be either .npy or .wav file, or a stored voice's id or name."
        raise BadRequest(message) from None
