"""Rows of signs: rules, frames and markup, which are a pause or nothing, and repeated punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backends.text import END_MARKS
from gateway.text.mapped_text import Edit

_RUN = re.compile(
    r"[=\-*~_#+|<>^:]{4,}|[★☆●○◆◇■□▪▫]{3,}"
    r"|([=\-*~_#+|<>^•·●■□▪◆◇★☆—–―〜～])(?:[ \t]{0,2}\1){2,}"  # one sign, also "* * *"
    r"|[─-▟](?:[ \t]{0,2}[─-▟])*"  # box drawing and blocks
    r"|([`'\"()\[\]{}@&%$])\2{2,}"
    r"|(?P<end>[!?！？]{4,})"
    r"|(?P<dots>\.{4,}|\.(?:[ \t]\.){2,}|…{3,}|。{3,})"
    r"|(?P<comma>[,;:，、；：])(?P=comma){2,}"
    r"|(?P<escape>\x1b\[[0-9;]{0,30}[A-Za-z])"  # colors of a terminal
)
_MARKS = frozenset("*~_^`'\"()[]{}@&%$〜～")  # markup, censored letters and smileys, where they touch a word


def decoration_edits(text: str) -> Iterator[Edit]:
    """Yield the edits of rows of signs, in order."""
    last, before = 0, ""  # end of the last edit, and the character before it or the last one that it adds
    for run in _RUN.finditer(text):
        start, end = run.span()
        if run["end"] or run["dots"] or run["comma"] or run["escape"]:
            spoken = _punctuation(run)
        elif (replaced := _attached(text, start, end)) is not None:
            spoken = replaced
        else:
            while start > last and text[start - 1] in " \t":
                start -= 1
            spoken = _pause(text, end, before if start == last else text[start - 1])
        before = spoken.rstrip()[-1:] or (before if start == last else text[start - 1])
        last = end
        yield Edit(start, end, spoken, "cleanup")


def _punctuation(run: re.Match[str]) -> str:
    if run["end"]:
        return "".join(dict.fromkeys(run["end"]))  # "?!?!?!" is "?!"
    if run["dots"]:
        return {".": "...", "。": "……"}.get(run["dots"][0], "…")
    return (run["comma"] or "")[:1]


def _attached(text: str, start: int, end: int) -> str | None:
    """Return the replacement of signs that touch a word; None: they do not."""
    before, after = text[start - 1 : start].isalnum(), text[end : end + 1].isalnum()
    if text[start] in _MARKS and (before or after):
        return " " if before and after else ""
    return "—" if before and after and text[start:end] == "---" else None


def _pause(text: str, end: int, before: str) -> str:
    """Return the end of a sentence; nothing at the ends of a line.

    :param end: of the row of signs.
    :param before: the character before the row.
    """
    following = end
    while following < len(text) and text[following] in " \t":
        following += 1
    if before in ("", "\n", "\r") or text[following : following + 1] in ("", "\n", "\r"):
        return ""
    return ("" if before in END_MARKS else ".") + ("" if following > end else " ")
