"""The grammars of WeTextProcessing (package ``wetext``, Apache-2.0) for English, Chinese and Japanese."""

from __future__ import annotations

import re
import threading
from difflib import SequenceMatcher
from functools import cache, lru_cache
from typing import Any, Literal

import structlog

from gateway.text.mapped_text import Edit

log = structlog.get_logger(__name__)

GrammarLanguage = Literal["en", "zh", "ja"]

MAX_CHARS = 200  # the grammars take 0.5 ms for a short clause, and time quadratic in its length
_WORDS = re.compile(r"\S+")
_CHARACTERS = re.compile(r".", re.DOTALL)
_TOKENS = {"en": _WORDS, "zh": _CHARACTERS, "ja": _CHARACTERS}
_lock = threading.Lock()  # the grammars' C++ objects are not documented to be thread-safe


@lru_cache(maxsize=4096)
def read_by_grammar(text: str, language: GrammarLanguage) -> tuple[Edit, ...]:
    """Read the digits and signs of a clause; words without any stay as they are.

    :param text: a clause of at most :data:`MAX_CHARS` characters; a longer one is not read.
    :returns: edits of ``text`` in order; none if the grammar fails, which it does for some input.
    """
    if len(text) > MAX_CHARS:
        return ()
    try:
        with _lock:
            read = str(_grammar(language).normalize(text))
    except Exception as error:  # noqa: BLE001 - an assertion or an index error of the grammar's parser
        log.debug("the grammar cannot read a text", language=language, text=text, error=repr(error))
        return ()
    return tuple(_differences(text, read, _TOKENS[language]))


@cache
def _grammar(language: GrammarLanguage) -> Any:
    from wetext import Normalizer  # takes 0.4 s

    return Normalizer(lang=language, operator="tn")


def _differences(written: str, read: str, tokens: re.Pattern[str]) -> list[Edit]:
    """The parts of a text that were changed and have a digit or a sign."""
    before = list(tokens.finditer(written))
    after = tokens.findall(read)
    edits = []
    matcher = SequenceMatcher(None, [token[0] for token in before], after, autojunk=False)
    between = " " if tokens is _WORDS else ""
    for kind, first, last, new_first, new_last in matcher.get_opcodes():
        if kind == "equal" or first == last:
            continue
        start, end = before[first].start(), before[last - 1].end()
        if not all(char.isalpha() or char.isspace() or char in ".,'" for char in written[start:end]):
            edits.append(Edit(start, end, between.join(after[new_first:new_last]), category_of(written[start:end])))
    return edits


_KINDS = (
    ("currency", re.compile(r"[$€£¥￥元円]")),
    ("percent", re.compile(r"[%‰％]")),
    ("time", re.compile(r"\d:\d|[时時点分秒]|\d ?[ap]\.?m", re.IGNORECASE)),
    ("date", re.compile(r"[年月日]|\d[-/.]\d{1,2}[-/.]\d")),
    ("fraction", re.compile(r"\d/\d|[½¼¾⅓⅔]")),
    ("range", re.compile(r"\d ?[-–~] ?\d")),
    ("ordinal", re.compile(r"\d(?:st|nd|rd|th)\b|第")),
    ("math", re.compile(r"[+=<>≤≥×÷*^±√]")),
    ("code", re.compile(r"[A-Za-z]-?\d|\d-?[A-Z]")),
    ("unit", re.compile(r"\d ?[^\W\d]|°")),
    ("cardinal", re.compile(r"\d")),
)


def category_of(written: str) -> str:
    """The category of a text that a grammar has read."""
    return next((name for name, pattern in _KINDS if pattern.search(written)), "sign")
