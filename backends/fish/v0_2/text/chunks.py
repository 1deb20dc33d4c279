"""A long text as pieces for Fish-Speech 0.2, which is best at a sentence or two at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from backends.common import split
from backends.fish.v0_2.text.clean import clean_stretch
from backends.fish.v0_2.text.languages import MARKUP, Context, Order, resume

# After Latin punctuation a sentence or clause ends where white space follows, after CJK punctuation always. A new line
# is read as a full stop.
_SENTENCE_END = re.compile(r"""(?<=[.!?])\s+|(?<=[.!?]["'”’)\]])\s+|(?<=[。！？])(?![。！？])[”’」』）]*\s*|\n\s*""")
_CLAUSE_END = re.compile(r"(?<=[,;:—–])\s+|(?<=[，；：、])\s*")
_SPACE = re.compile(r"\s+")


def split_text(text: str, max_bytes: int) -> list[split.Span]:
    """Cut a text at sentence ends into spans of at most ``max_bytes`` of UTF-8, as many sentences in each as fit.

    A sentence that is too long is cut at clauses, then at spaces, then anywhere; markup such as ``<p:i3>`` or ``<jp>``
    is not cut. A piece may be longer by one such, and by what has nothing to say beside it. Tags may be left open: see
    :func:`piece_texts`.

    :returns: spans that follow each other from 0 to the text's end, each with something to say; none if there is
        nothing to say in all of it.
    """
    pauses = (_SENTENCE_END, _CLAUSE_END)
    spans = split.split_text(text, max_bytes, pauses=pauses, seams=(_SPACE,), whole=MARKUP)
    starts = [start for start, end in spans if has_speech(text[start:end])]
    return list(pairwise((0, *starts[1:], len(text)))) if starts else []


def piece_texts(text: str, spans: Sequence[split.Span], order: Order) -> list[str]:
    """What is to be spelled in phones for each span, so that it is read as in the whole text.

    A tag that is open where a piece begins is opened again, and a piece that begins in the language before it (kanji
    in a Japanese text, say, or a number in an English one) is tagged so far as it goes on in that.
    """
    texts = []
    context = Context()
    for start, end in spans:
        piece, context = resume(text[start:end], context, order)
        texts.append(piece)
    return texts


def has_speech(text: str) -> bool:
    """Whether anything is left to say of a text once it is cleaned: a letter, a digit, an ideograph, or a phone."""
    if any(char.isalnum() for char in clean_stretch(MARKUP.sub(" ", text))):
        return True
    return any(markup.startswith("<p:") and any(map(str.isalnum, markup[3:])) for markup in MARKUP.findall(text))
