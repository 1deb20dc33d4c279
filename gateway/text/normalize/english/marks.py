"""Markdown marks and bullets, which are not spoken."""

from __future__ import annotations

import re

from gateway.text.normalize.english.words import after
from gateway.text.normalize.rules import Rule

_LINE_MARK = re.compile(
    r"(?<![^\n])[ \t]{0,8}(?:#{1,6}[ \t]+|(?:>[ \t]?){0,3}>(?:[ \t]+(?=\S)|(?=[A-Z\"“]))"
    r"|[-*+•‣◦▪–][ \t]+(?=\S))(?:\[[ xX]\][ \t]+)?"
)
_RULER_LINE = re.compile(r"(?<![^\n])[ \t]{0,8}(?:[-*_=~|:][ \t]?){3,200}(?![^\n])")
_FENCE = re.compile(r"(?<![^\n])[ \t]{0,8}```[\w+-]{0,20}[ \t]*(?:\n|$)")
_EMPHASIS = re.compile(
    r"\*{2,3}(?=\S)|(?<=\S)\*{2,3}|(?<!\w)__(?=\w)|(?<=\w)__(?!\w)|~~(?=\S)|(?<=\S)~~|`{1,3}(?=\S)|(?<=\S)`{1,3}"
)
_ITALIC = re.compile(
    r"(?<![\w*\\])\*(?=[^\W\d_\"'“(][^*\n]{0,300}\*(?![\w*]))|(?<=[^\s*/])\*(?![\w*/])"
    r"|(?<!\w)_(?=[^\W_][^_\n]{0,300}_(?!\w))|(?<=\w)_(?!\w)"
)

_POWER_OPERATOR = re.compile(r"(?<=[\d)])\*\*(?=[^\W_]|\()|(?<=[a-z])\*\*(?=\d)")
_TABLE_BAR = re.compile(r"(?<![^\n])[ \t]{0,8}\|[ \t]*|[ \t]?\|[ \t]*(?![^\n])|[ \t][|•·](?=[ \t])")


def _read_bar(match: re.Match[str]) -> str:
    inside = match.start() > 0 and match.string[match.start() - 1] != "\n" and after(match, 1) not in ("", "\n")
    return "," if inside else ""


def _drop(match: re.Match[str]) -> str:
    return ""


RULES = (
    Rule("sign", _FENCE, _drop, frozenset("`")),
    Rule("sign", _RULER_LINE, _drop, frozenset("-*_=~|:")),
    Rule("sign", _LINE_MARK, _drop, frozenset("#>-*+•‣◦▪–")),
    Rule("sign", _TABLE_BAR, _read_bar, frozenset("|•·")),
    Rule("math", _POWER_OPERATOR, lambda _: " to the power of ", frozenset("*")),
    Rule("sign", _EMPHASIS, _drop, frozenset("*_~`")),
    Rule("sign", _ITALIC, _drop, frozenset("*_")),
)
"""Markdown marks and bullets, which are not spoken."""
