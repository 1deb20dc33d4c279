"""Voices as the classic Fish-Speech API names them: files with codes, recordings on this machine, stored voices.

Letters in shapes: Q codebooks, T code frames.
"""

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

MAX_CODE_FRAMES = 4096  # over three minutes of a voice; the longest context of a Fish-Speech model of this generation
MAX_CODEBOOKS = 64

_INT16 = np.iinfo(np.int16)


class ClassicPrompts:
    """Turns the classic field ``prompt_tokens`` into fields of a :class:`~gateway.service.request.SpeechRequest`."""

    def __init__(self, files: RequestFiles, voices: VoiceStore):
        self._files = files
        self._voices = voices

    async def fields(self, tokens: str, text: str | None, param: str) -> dict[str, Any]:
        """What to ask for.

        :param tokens: a path that ends in ``.npy`` or ``.wav``, or a stored voice's id or name.
        :param text: what is said in it, where the request says so.
        :param param: the request field to name in errors.
        :raises BadRequest: it is none of these, or there is no such file.
        :raises Forbidden: the file lies outside of the allowed folders.
        :raises InvalidRequest: the file is not what its name says.
        """
        return await asyncio.to_thread(self._fields, tokens, (text or "").strip() or None, param)

    def _fields(self, tokens: str, text: str | None, param: str) -> dict[str, Any]:
        if tokens.endswith(".npy"):
            codes = portable_codes(self._read(tokens, param), param)
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
            raise BadRequest("there is no such file in the folders of the setting fish_api.roots", param=param)
        return self._files.read(path, param)


def portable_codes(data: bytes, param: str) -> bytes:
    """An ``.npy`` file with codes of shape (Q, T), written anew with 16 bits each.

    The header is checked before anything is allocated: it may claim any size.

    :raises InvalidRequest: it is no ``.npy`` file of whole numbers, or has more frames than any model takes.
    """
    try:
        codes = read_npy(data)
    except ValueError as error:
        raise InvalidRequest(f"is no .npy file: {error}", param=param) from None
    rows, frames = codes.shape if codes.ndim == 2 else (0, 0)
    if codes.dtype.kind not in "iu" or not 1 <= rows <= MAX_CODEBOOKS or not 1 <= frames <= MAX_CODE_FRAMES:
        raise InvalidRequest(
            f"has to hold whole numbers, shape (codebooks, frames), up to {MAX_CODE_FRAMES} frames; "
            f"it holds {codes.dtype} of shape {codes.shape}",
            param=param,
        )
    if codes.min() < 0 or codes.max() > _INT16.max:
        raise InvalidRequest(f"holds codes outside of 0 to {_INT16.max}", param=param)
    written = io.BytesIO()
    np.lib.format.write_array(written, codes.astype(np.int16, order="C"), version=(1, 0), allow_pickle=False)
    return written.getvalue()
