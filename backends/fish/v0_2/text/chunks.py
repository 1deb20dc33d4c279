"""Splitting of long texts into chunks. Fish-Speech 0.2 works best with one or two sentences at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from backends.common import split
from backends.fish.v0_2.text.clean import clean_plain
from backends.fish.v0_2.text.languages import MARKUP, Context, Order, resume
from backends.text import CLAUSE_MARKS, SENTENCE_MARKS, STRONG_CLAUSE_MARKS, STRONG_SENTENCE_MARKS

# A sentence or clause ends at Latin punctuation that white space follows, at any CJK punctuation, and at a new line,
# which is read as a full stop.
_SPACED = SENTENCE_MARKS.replace("…", "")  # which the model does not receive
_SENTENCE_END = re.compile(
    rf"""(?<=[{_SPACED}])\s+|(?<=[{_SPACED}]["'”’)\]])\s+"""
    rf"|(?<=[{STRONG_SENTENCE_MARKS}])(?![{STRONG_SENTENCE_MARKS}])[”’」』）]*\s*|\n\s*"
)
_CLAUSE_END = re.compile(rf"(?<=[{CLAUSE_MARKS}])\s+|(?<=[{STRONG_CLAUSE_MARKS}])\s*")
_SPACE = re.compile(r"\s+")


def split_text(text: str, max_bytes: int) -> list[split.Span]:
    """Split a text at sentence ends into spans of at most ``max_bytes`` of UTF-8, as many sentences in each as fit.

    A longer sentence is split at clauses, then at spaces, then anywhere, but never inside markup such as ``<p:i3>`` or
    ``<jp>``. A span may exceed the limit by one markup, and by adjacent text without speech. Tags may stay open: see
    :func:`chunk_texts`.

    :returns: consecutive spans that cover the text, each with speech; none if the text has no speech.
    """
    pauses = (_SENTENCE_END, _CLAUSE_END)
    spans = split.split_text(text, max_bytes, pauses=pauses, seams=(_SPACE,), whole=MARKUP)
    starts = [start for start, end in spans if has_speech(text[start:end])]
    return list(pairwise((0, *starts[1:], len(text)))) if starts else []


def chunk_texts(text: str, spans: Sequence[split.Span], order: Order) -> list[str]:
    """Return each span's text so that it is pronounced as in the whole text.

    A tag that is open at the start of a span is opened again. A span that begins in the language of the text before it
    (kanji in a Japanese text, or a number in an English one) is tagged as far as that language continues.
    """
    texts = []
    context = Context()
    for start, end in spans:
        chunk, context = resume(text[start:end], context, order)
        texts.append(chunk)
    return texts


def has_speech(text: str) -> bool:
    """Return whether a letter, digit, ideograph or phone remains after cleaning."""
    if any(char.isalnum() for char in clean_plain(MARKUP.sub(" ", text))):
        return True
    return any(markup.startswith("<p:") and any(map(str.isalnum, markup[3:])) for markup in MARKUP.findall(text))
