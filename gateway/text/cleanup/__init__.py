"""Unicode clean-up: one spelling for each character, without formatting and decoration."""

from __future__ import annotations

import re

from gateway.text.cleanup.characters import character_edits
from gateway.text.cleanup.decoration import decoration_edits
from gateway.text.cleanup.lookalikes import lookalike_edits
from gateway.text.cleanup.subtitles import subtitle_edits
from gateway.text.mapped_text import Edit

# Most English texts have nothing to clean up. The first set is a superset of how a match begins, which is faster.
_ASCII_TO_CLEAN = re.compile(
    r"(?=[\x00-\x08\x0b\x0c\x0e-\x1f!-/:-@\[-`{-\x7f])"
    r"(?:([!-/:-@\[-`{-~])[ \t]{0,2}\1[ \t]{0,2}\1|[=\-*~_#+|<>^:!?]{4}|-->|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f])"
)


def cleanup_edits(text: str) -> list[Edit]:
    """Return the edits that clean a text up, in order, with the category ``cleanup``. Takes time linear in the text."""
    if text.isascii() and not _ASCII_TO_CLEAN.search(text):
        return []
    taken = bytearray(len(text))  # 1 for characters that an edit replaces
    edits = []
    for find_edits in (subtitle_edits, decoration_edits, character_edits, lookalike_edits):
        for edit in find_edits(text):
            if 1 not in taken[edit.start : edit.end]:
                taken[edit.start : edit.end] = b"\1" * (edit.end - edit.start)
                edits.append(edit)
    return _join_adjacent(sorted(edits, key=lambda edit: edit.start))


_MAX_JOINED = 40  # characters; longer words would make the places of their letters vague


def _join_adjacent(edits: list[Edit]) -> list[Edit]:
    """Join the edits of one word's letters, or of consecutive dropped characters, into one."""
    joined: list[Edit] = []
    for edit in edits:
        last = joined[-1] if joined else None
        if (
            last
            and last.end == edit.start
            and edit.end - last.start <= _MAX_JOINED
            and _alike(last.spoken, edit.spoken)
        ):
            joined[-1] = Edit(last.start, edit.end, last.spoken + edit.spoken, edit.category)
        else:
            joined.append(edit)
    return joined


def _alike(first: str, second: str) -> bool:
    if not first or not second:
        return first == second
    return (first[-1].isalnum() and second[0].isalnum()) or (first + second).strip(" ") == ""
