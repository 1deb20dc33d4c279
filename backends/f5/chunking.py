"""Text chunking, duration estimates and cross-fades.

The rules are those of f5-tts (``chunk_text``, ``infer_process``, ``infer_batch_process``), which its models were tuned
for. Text is measured in UTF-8 bytes throughout, f5-tts's measure of speaking time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from backends.base import Audio
from backends.f5.config import HOP_SAMPLES, RATE_HZ

MAX_SAMPLE_S = 22.0  # reference and chunk together; the model was trained on at most 30 s
SHORT_TEXT_BYTES = 10  # shorter texts are spoken at SHORT_TEXT_SPEED, because the estimate by bytes is too low for them
SHORT_TEXT_SPEED = 0.3
MIN_CHUNK_BYTES = 2 * SHORT_TEXT_BYTES  # keeps a slow or long reference from cutting a text into single words

# Latin punctuation ends a clause before white space only ("3,5" is one word), CJK punctuation always.
_CLAUSE_END = re.compile(r"(?<=[;:,.!?])\s+|(?<=[；：，。！？])")
_GAP = re.compile(r"(?<=[;:,.!?])\s+")
_MINOR_BREAK = re.compile(r"[、…—–]\s*")
_SPACE = re.compile(r"\s+")


def split_text(text: str, max_bytes: int, first_max_bytes: int | None = None) -> list[tuple[int, int]]:
    """Split a text at clause ends into spans of at most ``max_bytes``, each with as many clauses as fit.

    The spans cover the text without gaps; :func:`spoken_text` gives the text to speak for one. A clause longer than
    ``max_bytes`` is cut at minor breaks or spaces, else between characters (f5-tts leaves it whole).

    :param first_max_bytes: lower limit for the first chunk, so that its audio is ready early. The chunk still ends at a
        clause end, has at least one clause, and is too long for :data:`SHORT_TEXT_SPEED`.
    """
    if not text.strip():
        return []
    starts = [0]  # of the chunks
    size = 0  # bytes of the current chunk, counted as f5-tts does: with the space after the last clause
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
    """Positions at which to cut an overlong clause, each the best one in the second half of its window."""
    cuts = []
    while len(text[start:end].strip().encode()) > max_bytes:
        window = len(text[start : start + max_bytes].encode()[:max_bytes].decode(errors="ignore")) or 1
        stop = start + window
        for pattern, reach in ((_MINOR_BREAK, stop), (_SPACE, stop + 1)):  # a space after the window is not spoken
            ends = [match.end() for match in pattern.finditer(text, start, reach)]
            if ends and ends[-1] - start >= window / 2:
                stop = ends[-1]
                break
        whole = stop
        while whole > start and unicodedata.combining(text[whole]):
            whole -= 1
        if whole - start >= window / 2:  # keep a combining mark with its letter, unless there are too many
            stop = whole
        cuts.append(stop)
        start = stop
    return cuts


def spoken_text(text: str) -> str:
    """Return a span's text as the model gets it: clauses joined by single spaces, stripped."""
    return _GAP.sub(" ", text).strip()


def prompt_text(ref_text: str) -> str:
    """Return the transcript as it precedes a chunk: f5-tts adds a second space after a Latin ending."""
    return ref_text + " " if ref_text[-1:].isascii() else ref_text


def max_chunk_bytes(ref_text: str, ref_s: float, speed: float) -> int:
    """Longest chunk that fits :data:`MAX_SAMPLE_S` together with the reference, at the reference's pace."""
    limit = int(len(ref_text.encode()) / ref_s * (MAX_SAMPLE_S - ref_s) * speed)
    return max(limit, MIN_CHUNK_BYTES)


def duration_frames(
    ref_frames: int, ref_text: str, gen_text: str, speed: float, fix_duration_s: float | None = None
) -> int:
    """Mel frames of reference and chunk together.

    :param ref_text: the transcript without the space that :func:`prompt_text` adds, which is counted here.
    :param fix_duration_s: a fixed duration of both, in place of the estimate; see :func:`share_duration`.
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
    """Distribute a fixed duration (reference included) over the chunks of a text, in proportion to their bytes.

    :returns: ``fix_duration_s`` of each chunk, again with the reference included.
    """
    if fix_duration_s is None or len(gen_texts) < 2:
        return [fix_duration_s] * len(gen_texts)
    ref_s = ref_frames * HOP_SAMPLES / RATE_HZ
    speech_s = fix_duration_s - ref_s + cross_fade_s * (len(gen_texts) - 1)
    sizes = [len(text.encode()) for text in gen_texts]
    return [ref_s + speech_s * size / sum(sizes) for size in sizes]


class CrossFader:
    """Join chunks by linear cross-fades as they arrive; hold back what the next chunk may overlap.

    :param overlap_samples: length of a fade; shorter where a chunk, or everything before it, is shorter.
    """

    def __init__(self, overlap_samples: int):
        self._overlap = overlap_samples
        self._held: Audio = np.zeros(0, np.float32)

    def push(self, samples: Audio) -> Audio:
        """Add a chunk, shape (N,); return the samples that are final now, possibly none."""
        overlap = min(self._overlap, len(self._held), len(samples))
        fade_in = np.linspace(0, 1, overlap)  # float64: the sum is rounded once
        fade_out = np.linspace(1, 0, overlap)
        before, tail = np.split(self._held, [len(self._held) - overlap])
        mixed = (tail * fade_out + samples[:overlap] * fade_in).astype(np.float32)
        joined = np.concatenate((before, mixed, samples[overlap:]))
        ready, self._held = np.split(joined, [max(0, len(joined) - self._overlap)])
        return ready

    def finish(self) -> Audio:
        """Return the rest and reset the fader."""
        rest, self._held = self._held, np.zeros(0, np.float32)
        return rest
