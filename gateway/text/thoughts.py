"""Thoughts that models write into their text between tags, instead of into reasoning blocks.

Amazon Nova puts ``<thinking>`` before its answers and tool calls, gpt-oss puts each piece of a stream that belongs to
its reasoning between ``<reasoning>`` tags of its own, and DeepSeek, Qwen and models distilled from them write
``<think>``.

An opening tag and everything up to its closing tag is left out. A tag that is never closed was cut off: what follows it
is left out too if the tag began a line; elsewhere in a line it is only being talked about. So is one behind a backtick.
"""

from __future__ import annotations

import re

_NAMES = ("thinking", "think", "reasoning")
_TAG = re.compile(rf"<(/?)(?:{'|'.join(_NAMES)})>", re.IGNORECASE)
_OPENING = re.compile(rf"<(?:{'|'.join(_NAMES)})>", re.IGNORECASE)
_CLOSING = {name: re.compile(f"</{name}>", re.IGNORECASE) for name in _NAMES}
_CLOSING_CHARS = max(len(f"</{name}>") for name in _NAMES)


def without_thoughts(text: str) -> str:
    """A complete text without its thoughts.

    Where the opening tag is in the prompt, as in DeepSeek's templates, a text begins with the thought: if a closing tag
    that begins a line comes before any opening one, all before it is left out as well.
    """
    first = _TAG.search(text)
    if first and first[1] and not text[text.rfind("\n", 0, first.start()) + 1 : first.start()].strip():
        text = text[first.end() :]
    thoughts = ThoughtFilter()
    return thoughts.feed(text) + thoughts.end()


class ThoughtFilter:
    """Leaves thoughts out of a text that comes in pieces. What may turn out to be a tag is held back until it is known.

    Takes time linear in the text.
    """

    def __init__(self) -> None:
        self._held = ""  # outside of a thought: the beginning of a tag, perhaps; inside: what is behind the opening tag
        self._opening = ""  # the opening tag, while inside
        self._begins_line = False  # whether that tag does
        self._searched = 0  # no closing tag begins within so much of what is held
        self._line_is_blank = True  # of what was let through
        self._last = ""  # the last character let through
        self._never_closed: set[str] = set()

    @property
    def held_chars(self) -> int:
        """How much is held back."""
        return len(self._held)

    def feed(self, text: str) -> str:
        """What may be spoken now."""
        text = self._held + text
        spoken: list[str] = []
        at = 0
        while True:
            if self._opening:
                end = _CLOSING[_name(self._opening)].search(text, at + self._searched)
                if end is None:
                    break
                at, self._opening = end.end(), ""
            tag = _OPENING.search(text, at)
            if tag is None:
                break
            self._let_through(text[at : tag.start()], spoken)
            at = tag.end()
            is_talk = not self._line_is_blank and _name(tag[0]) in self._never_closed
            if self._last == "`" or is_talk:
                self._let_through(tag[0], spoken)
            else:
                self._opening, self._begins_line, self._searched = tag[0], self._line_is_blank, 0
        if not self._opening:
            keep_from = len(text) - _unfinished_tag_chars(text[at:])
            self._let_through(text[at:keep_from], spoken)
            self._held = text[keep_from:]
        else:
            # Behind a tag that begins a line nothing is spoken, whatever comes.
            self._held = text[max(at, len(text) - _CLOSING_CHARS) :] if self._begins_line else text[at:]
            self._searched = max(0, len(self._held) - _CLOSING_CHARS)
        return "".join(spoken)

    def end(self) -> str:
        """The rest that may be spoken, once the text is complete."""
        spoken: list[str] = []
        while self._opening:  # once for each name, because later tags of the same name are not closed either
            self._never_closed.add(_name(self._opening))
            rest = "" if self._begins_line else self._held
            if not self._begins_line:
                self._let_through(self._opening, spoken)
            self._held, self._opening = "", ""
            spoken.append(self.feed(rest))
        self._let_through(self._held, spoken)
        self._held = ""
        return "".join(spoken)

    def _let_through(self, text: str, spoken: list[str]) -> None:
        if not text:
            return
        spoken.append(text)
        self._last = text[-1]
        _, newline, line = text.rpartition("\n")
        self._line_is_blank = not line.strip() and (bool(newline) or self._line_is_blank)


def _name(tag: str) -> str:
    return tag.strip("<>").lower()


def _unfinished_tag_chars(text: str) -> int:
    """How many characters at the end may be the beginning of an opening tag."""
    start = text.rfind("<")
    tail = text[start:].lower() if start >= 0 else ""
    return len(tail) if any(f"<{name}>".startswith(tail) for name in _NAMES) else 0
