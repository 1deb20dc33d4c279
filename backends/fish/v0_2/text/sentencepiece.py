"""Llama's ``tokenizer.model`` for the tokenizers library, without the sentencepiece package.

The file is a protobuf message whose first field repeats a piece: its text, its score and its kind. The conversion is
that of transformers 4.36 (``LlamaConverter``), of the time the published tokenizer was made.
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
_TEXT, _SCORE = 1, 2  # of a piece
_MODEL_TYPE, _BPE = 3, 2  # of the trainer's settings

Piece = tuple[str, float]


def read_backend(path: Path) -> tokenizers.Tokenizer:
    """Make a tokenizer of the pieces alone.

    :raises LoadError: the file is no such model.
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
    """The pieces in the order of their ids, with their scores.

    :raises LoadError: the file is no byte-pair model of sentencepiece.
    """
    try:
        fields = list(_fields(path.read_bytes()))
        pieces = [_piece(value) for number, value in fields if number == _PIECES and isinstance(value, bytes)]
        trainer = next(value for number, value in fields if number == _TRAINER and isinstance(value, bytes))
        kind = dict(_fields(trainer)).get(_MODEL_TYPE)
    except (OSError, ValueError, IndexError, StopIteration, struct.error) as error:
        raise LoadError(f"{path}: not a model of sentencepiece ({error})") from error
    if kind != _BPE or len(pieces) < 3 or pieces[0][0] != UNKNOWN:
        raise LoadError(f"{path}: not the byte-pair model of a Llama tokenizer")
    return pieces


def _merges(pieces: list[Piece]) -> list[tuple[str, str]]:
    """Every way to make a piece of two others, the pieces of the highest score first."""
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
        raise ValueError("a piece has no text")
    (value,) = struct.unpack("<f", score)
    return text.decode(), value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: numbers as such, all else as bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        wire = key & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        if wire == 2:
            size, place = _varint(message, place)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire}")
        if place + size > len(message):
            raise ValueError("it ends too early")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
