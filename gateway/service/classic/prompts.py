"""Voice prompts of the classic Fish-Speech API: local files with codes or recordings, or stored voices."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import numpy as np

from backends.npy import read_npy
from gateway.errors import BadRequest, InvalidRequest, VoiceNotFound
from gateway.service.classic.files import RequestFiles
from gateway.voices.store import VoiceStore

MAX_CODE_FRAMES = 4096  # three minutes: the longest context of a Fish-Speech model of this generation
MAX_CODEBOOKS = 64

_INT16 = np.iinfo(np.int16)


class ClassicPrompts:
    """Map the classic field ``prompt_tokens`` to fields of a :class:`~gateway.service.request.SpeechRequest`."""

    def __init__(self, files: RequestFiles, voices: VoiceStore):
        self._files = files
        self._voices = voices

    async def voice_fields(self, tokens: str, text: str | None, param: str) -> dict[str, Any]:
        """Resolve a voice prompt; return the request fields that select its voice.

        :param tokens: a path that ends in ``.npy`` or ``.wav``, or a stored voice's ID or name.
        :param text: transcript of the prompt, if the request has one.
        :param param: the request field to name in errors.
        :raises BadRequest: if there is no such file or voice.
        :raises Forbidden: if the file is outside the allowed folders.
        :raises InvalidRequest: if the file's content does not match its extension.
        """
        return await asyncio.to_thread(self._voice_fields, tokens, (text or "").strip() or None, param)

    def _voice_fields(self, tokens: str, text: str | None, param: str) -> dict[str, Any]:
        if tokens.endswith(".npy"):
            codes = normalized_codes(self._read(tokens, param), param)
            options = {"prompt_tokens": base64.b64encode(codes).decode()}
            return {"options": {**options, "prompt_text": text} if text else options}
        if tokens.endswith(".wav"):
            return {"reference_audio": self._read(tokens, param), "reference_text": text}
        try:
            voice = self._voices.get(tokens)
            if text is None:
                return {"voice": voice.id}
            return {"reference_audio": self._voices.audio(voice.id), "reference_text": text}
        except VoiceNotFound:
            message = "Unknown prompt tokens, it should be either .npy or .wav file, or a stored voice's id or name."
            raise BadRequest(message) from None

    def _read(self, name: str, param: str) -> bytes:
        path = self._files.find(name, param)
        if path is None:
            raise BadRequest("file not found in the folders of the setting fish_api.roots", param=param)
        return self._files.read(path, param)


def normalized_codes(data: bytes, param: str) -> bytes:
    """Rewrite an ``.npy`` file with codes, shape (K, T), as int16 in C order.

    The header is checked before anything is allocated, because it may claim any size.

    :raises InvalidRequest: if it is not an ``.npy`` file of integers, or has too many frames.
    """
    try:
        codes = read_npy(data)
    except ValueError as error:
        raise InvalidRequest(f"invalid .npy file: {error}", param=param) from None
    rows, frames = codes.shape if codes.ndim == 2 else (0, 0)
    if codes.dtype.kind not in "iu" or not 1 <= rows <= MAX_CODEBOOKS or not 1 <= frames <= MAX_CODE_FRAMES:
        raise InvalidRequest(
            f"has {codes.dtype} of shape {codes.shape}: must have integers of shape (codebooks, frames), "
            f"at most {MAX_CODEBOOKS} codebooks and {MAX_CODE_FRAMES} frames",
            param=param,
        )
    if codes.min() < 0 or codes.max() > _INT16.max:
        raise InvalidRequest(f"has codes outside 0 to {_INT16.max}", param=param)
    written = io.BytesIO()
    np.lib.format.write_array(written, codes.astype(np.int16, order="C"), version=(1, 0), allow_pickle=False)
    return written.getvalue()
