"""Llama's ``tokenizer.model``, converted for the tokenizers library without the sentencepiece package.

The file is a protobuf message whose first, repeated field is a piece: text, score and type. The conversion is that of
transformers 4.36 (``LlamaConverter``), the version with which the published tokenizer was made.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backends.errors import LoadError

if TYPE_CHECKING:
    import tokenizers

UNKNOWN = "<unk>"
_SPACE = "▁"
_PIECES, _TRAINER = 1, 2  # fields of the message
_TEXT, _SCORE = 1, 2  # fields of a piece
_MODEL_TYPE, _BPE = 3, 2  # field of the trainer's settings, and its value

Piece = tuple[str, float]


def read_backend(path: Path) -> tokenizers.Tokenizer:
    """Build a tokenizer from the pieces, without added tokens.

    :raises LoadError: if the file is not such a model.
    """
    from tokenizers import AddedToken, Tokenizer, models, normalizers

    pieces = read_pieces(path)
    vocabulary = {text: number for number, (text, _) in enumerate(pieces)}
    model = models.BPE(vocabulary, _merges(pieces), unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True)
    backend = Tokenizer(model)
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)])
    backend.add_special_tokens([AddedToken(text, normalized=False, special=True) for text, _ in pieces[:3]])
    return backend


def read_pieces(path: Path) -> list[Piece]:
    """Read the pieces with their scores, in the order of their IDs.

    :raises LoadError: if the file is not a BPE model of sentencepiece.
    """
    try:
        fields = list(_fields(path.read_bytes()))
        pieces = [_piece(value) for number, value in fields if number == _PIECES and isinstance(value, bytes)]
        trainer = next(value for number, value in fields if number == _TRAINER and isinstance(value, bytes))
        kind = dict(_fields(trainer)).get(_MODEL_TYPE)
    except (OSError, ValueError, IndexError, StopIteration, struct.error) as error:
        raise LoadError(f"{path}: not a sentencepiece model: {error}") from error
    if kind != _BPE or len(pieces) < 3 or pieces[0][0] != UNKNOWN:
        raise LoadError(f"{path}: not the BPE model of a Llama tokenizer")
    return pieces


def _merges(pieces: list[Piece]) -> list[tuple[str, str]]:
    """Every pair of pieces that forms another piece, those of the highest score first."""
    ids = {text: number for number, (text, _) in enumerate(pieces)}
    merges = []
    for text, score in [*((text, 0.0) for text, _ in pieces[:3]), *pieces[3:]]:
        halves = [(text[:cut], text[cut:]) for cut in range(1, len(text))]
        known = [(left, right) for left, right in halves if left in ids and right in ids]
        merges += [(score, pair) for pair in sorted(known, key=lambda pair: (ids[pair[0]], ids[pair[1]]))]
    return [pair for _, pair in sorted(merges, key=lambda merge: -merge[0])]


def _piece(message: bytes) -> Piece:
    fields = dict(_fields(message))
    text, score = fields[_TEXT], fields.get(_SCORE, bytes(4))
    if not isinstance(text, bytes) or not isinstance(score, bytes):
        raise ValueError("a piece without text")
    (value,) = struct.unpack("<f", score)
    return text.decode(), value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: varints as numbers, everything else as bytes."""
    offset = 0
    while offset < len(message):
        key, offset = _varint(message, offset)
        wire = key & 7
        if wire == 0:
            value, offset = _varint(message, offset)
            yield key >> 3, value
            continue
        if wire == 2:
            size, offset = _varint(message, offset)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire}")
        if offset + size > len(message):
            raise ValueError("the message is truncated")
        yield key >> 3, message[offset : offset + size]
        offset += size


def _varint(message: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7
        if shift > 63:
            raise ValueError("a varint is too long")
