"""A text as pieces the model can speak, how long each becomes, and their audio joined again.

The rules are f5-tts's (``chunk_text``, ``infer_process``, ``infer_batch_process``), whose model was tuned around them.
Lengths of text are UTF-8 bytes throughout: that is the model's measure of how long something takes to say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from backends.base import Audio
from backends.f5.model import HOP_SAMPLES, RATE_HZ

MAX_SAMPLE_S = 22.0  # reference and piece together; the model was trained on at most 30 s
SHORT_TEXT_BYTES = 10  # a text under this is spoken at SHORT_TEXT_SPEED: the estimate by bytes is too short for it
SHORT_TEXT_SPEED = 0.3
MIN_PIECE_BYTES = 2 * SHORT_TEXT_BYTES  # a slow or long reference never cuts a text into single words

# After Latin punctuation a clause ends where white space follows ("3,5" is one word), after CJK punctuation always.
_CLAUSE_END = re.compile(r"(?<=[;:,.!?])\s+|(?<=[；：，。！？])")
_GAP = re.compile(r"(?<=[;:,.!?])\s+")
_SOFT_MARK = re.compile(r"[、…—–]\s*")
_SPACE = re.compile(r"\s+")


def split_text(text: str, max_bytes: int, first_max_bytes: int | None = None) -> list[tuple[int, int]]:
    """Cut a text at clause ends into spans of at most ``max_bytes``, as many clauses in each as fit.

    The spans follow each other without gaps from 0 to the text's end; what is to be spoken of one is its
    :func:`piece_text`. A clause that alone is longer than ``max_bytes`` is cut at softer marks, spaces or, without
    any, between characters (f5-tts leaves it whole, however long).

    :param first_max_bytes: a smaller limit for the first piece, so that it can be heard early. It still ends at a
        clause end, holds at least one clause, and is long enough not to fall under :data:`SHORT_TEXT_SPEED`.
    """
    if not text.strip():
        return []
    starts = [0]  # of each piece
    size = 0  # bytes of the piece so far, as f5-tts counts them: with the space after the last clause
    for start, end in _clauses(text):
        clause = text[start:end].rstrip()
        limit = max_bytes
        if first_max_bytes is not None and len(starts) == 1 and size > SHORT_TEXT_BYTES:
            limit = min(first_max_bytes, max_bytes)
        if size and size + len(clause.encode()) > limit:
            starts.append(start)
            size = 0
        if len(clause.strip().encode()) > max_bytes:
            starts += _cut(text, start, end, max_bytes)
            clause = text[starts[-1] : end].rstrip()
        size += len(clause.encode()) + clause[-1:].isascii()
    return list(pairwise((*starts, len(text))))


def _clauses(text: str) -> list[tuple[int, int]]:
    """Spans of the clauses, each with the white space that follows it."""
    ends = [match.end() for match in _CLAUSE_END.finditer(text)]
    spans = list(pairwise(sorted({0, *ends, len(text)})))
    if len(spans) > 1 and not text[slice(*spans[-1])].strip():  # white space after the last clause
        spans[-2:] = [(spans[-2][0], len(text))]
    return spans


def _cut(text: str, start: int, end: int, max_bytes: int) -> list[int]:
    """Where to cut a clause that is too long, at the best place in the second half of each window."""
    cuts = []
    while len(text[start:end].strip().encode()) > max_bytes:
        window = len(text[start : start + max_bytes].encode()[:max_bytes].decode(errors="ignore")) or 1
        stop = start + window
        for mark, reach in ((_SOFT_MARK, stop), (_SPACE, stop + 1)):  # a space just behind the window is not spoken
            ends = [match.end() for match in mark.finditer(text, start, reach)]
            if ends and ends[-1] - start >= window / 2:
                stop = ends[-1]
                break
        whole = stop
        while whole > start and unicodedata.combining(text[whole]):
            whole -= 1
        if whole - start >= window / 2:  # an accent stays with its letter, unless it is one of a crowd
            stop = whole
        cuts.append(stop)
        start = stop
    return cuts


def piece_text(text: str) -> str:
    """What is given to the model of a span: its clauses joined by single spaces, nothing around them."""
    return _GAP.sub(" ", text).strip()


def prompt_text(ref_text: str) -> str:
    """The reference text as it stands before a piece: f5-tts puts one more space after a Latin ending."""
    return ref_text + " " if ref_text[-1:].isascii() else ref_text


def max_piece_bytes(ref_text: str, ref_s: float, speed: float) -> int:
    """The longest piece that, at the reference's pace, fills :data:`MAX_SAMPLE_S` together with the reference."""
    limit = int(len(ref_text.encode()) / ref_s * (MAX_SAMPLE_S - ref_s) * speed)
    return max(limit, MIN_PIECE_BYTES)


def duration_frames(
    ref_frames: int, ref_text: str, gen_text: str, speed: float, fix_duration_s: float | None = None
) -> int:
    """Mel frames of reference and piece together.

    :param ref_text: as in ``PreparedReference.text``, without :func:`prompt_text`'s space, which is counted here.
    :param fix_duration_s: the length wanted of both together; see :func:`share_duration` for several pieces.
    """
    if fix_duration_s is not None:
        return int(fix_duration_s * RATE_HZ / HOP_SAMPLES)
    ref_bytes, gen_bytes = len(prompt_text(ref_text).encode()), len(gen_text.encode())
    if gen_bytes < SHORT_TEXT_BYTES:
        speed = SHORT_TEXT_SPEED
    return ref_frames + int(ref_frames / ref_bytes * gen_bytes / speed)


def share_duration(
    fix_duration_s: float | None, ref_frames: int, gen_texts: Sequence[str], cross_fade_s: float
) -> list[float | None]:
    """Share one wanted length (reference included) among the pieces of a text, by their bytes.

    :returns: for each piece its own ``fix_duration_s``, again with the reference included.
    """
    if fix_duration_s is None or len(gen_texts) < 2:
        return [fix_duration_s] * len(gen_texts)
    ref_s = ref_frames * HOP_SAMPLES / RATE_HZ
    speech_s = fix_duration_s - ref_s + cross_fade_s * (len(gen_texts) - 1)
    sizes = [len(text.encode()) for text in gen_texts]
    return [ref_s + speech_s * size / sum(sizes) for size in sizes]


class CrossFader:
    """Joins pieces by linear cross-fades while they arrive; holds back what the next piece may still overlap.

    :param overlap_samples: length of each fade; shorter where a piece, or all before it, is shorter.
    """

    def __init__(self, overlap_samples: int):
        self._overlap = overlap_samples
        self._held: Audio = np.zeros(0, np.float32)

    def push(self, samples: Audio) -> Audio:
        """Add a whole piece, shape (N,); returns what is final now, possibly nothing."""
        overlap = min(self._overlap, len(self._held), len(samples))
        rise = np.linspace(0, 1, overlap)  # float64: the sum is rounded once
        fall = np.linspace(1, 0, overlap)
        before, under = np.split(self._held, [len(self._held) - overlap])
        mixed = (under * fall + samples[:overlap] * rise).astype(np.float32)
        joined = np.concatenate((before, mixed, samples[overlap:]))
        ready, self._held = np.split(joined, [max(0, len(joined) - self._overlap)])
        return ready

    def finish(self) -> Audio:
        """The rest; the fader is empty again."""
        rest, self._held = self._held, np.zeros(0, np.float32)
        return rest
