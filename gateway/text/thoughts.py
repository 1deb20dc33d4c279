"""Filter for thoughts that models write between tags in their text instead of in reasoning blocks.

Amazon Nova writes ``<thinking>`` before responses and tool calls. gpt-oss wraps each chunk of its reasoning in
``<reasoning>``. DeepSeek, Qwen and models distilled from them write ``<think>``.

An opening tag is dropped with everything up to its closing tag. If it is never closed, everything after it is dropped
if the tag starts a line; elsewhere the tag is ordinary text, and so is a tag after a backtick.
"""

from __future__ import annotations

import re

_NAMES = ("thinking", "think", "reasoning")
_TAG = re.compile(rf"<(/?)(?:{'|'.join(_NAMES)})>", re.IGNORECASE)
_OPENING = re.compile(rf"<(?:{'|'.join(_NAMES)})>", re.IGNORECASE)
_CLOSING = {name: re.compile(f"</{name}>", re.IGNORECASE) for name in _NAMES}
_CLOSING_CHARS = max(len(f"</{name}>") for name in _NAMES)


def without_thoughts(text: str) -> str:
    """Drop the thoughts from a complete text.

    If the opening tag is part of the prompt, as in DeepSeek's templates, the text starts with a thought. Therefore
    everything before a closing tag that starts a line is dropped if no opening tag precedes it.
    """
    first = _TAG.search(text)
    if first and first[1] and not text[text.rfind("\n", 0, first.start()) + 1 : first.start()].strip():
        text = text[first.end() :]
    thoughts = ThoughtFilter()
    return thoughts.feed(text) + thoughts.end()


class ThoughtFilter:
    """Drop thoughts from incremental text in linear time. Text that may become a tag is held until that is known."""

    def __init__(self) -> None:
        self._pending = ""  # outside a thought: a possible start of a tag; inside: the text after the opening tag
        self._opening = ""  # the opening tag, while inside a thought
        self._begins_line = False  # whether the opening tag starts a line
        self._searched = 0  # no closing tag starts within this many pending characters
        self._line_is_blank = True  # whether the emitted part of the current line is blank
        self._last = ""  # the last emitted character
        self._unclosed: set[str] = set()  # names of tags that are never closed

    def feed(self, text: str) -> str:
        """Append text; return the text that can be spoken now."""
        text = self._pending + text
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
            self._emit(text[at : tag.start()], spoken)
            at = tag.end()
            is_ordinary = not self._line_is_blank and _name(tag[0]) in self._unclosed
            if self._last == "`" or is_ordinary:
                self._emit(tag[0], spoken)
            else:
                self._opening, self._begins_line, self._searched = tag[0], self._line_is_blank, 0
        if not self._opening:
            keep_from = len(text) - _unfinished_tag_chars(text[at:])
            self._emit(text[at:keep_from], spoken)
            self._pending = text[keep_from:]
        else:
            # Text after a tag that starts a line is never spoken, even if the tag is not closed.
            self._pending = text[max(at, len(text) - _CLOSING_CHARS) :] if self._begins_line else text[at:]
            self._searched = max(0, len(self._pending) - _CLOSING_CHARS)
        return "".join(spoken)

    def end(self) -> str:
        """End the text; return the pending text that can be spoken."""
        spoken: list[str] = []
        while self._opening:  # once per name, because later tags of the same name are not closed either
            self._unclosed.add(_name(self._opening))
            rest = "" if self._begins_line else self._pending
            if not self._begins_line:
                self._emit(self._opening, spoken)
            self._pending, self._opening = "", ""
            spoken.append(self.feed(rest))
        self._emit(self._pending, spoken)
        self._pending = ""
        return "".join(spoken)

    def _emit(self, text: str, spoken: list[str]) -> None:
        if not text:
            return
        spoken.append(text)
        self._last = text[-1]
        _, newline, line = text.rpartition("\n")
        self._line_is_blank = not line.strip() and (bool(newline) or self._line_is_blank)


def _name(tag: str) -> str:
    return tag.strip("<>").lower()


def _unfinished_tag_chars(text: str) -> int:
    """Number of characters at the end that may be the start of an opening tag."""
    start = text.rfind("<")
    tail = text[start:].lower() if start >= 0 else ""
    return len(tail) if any(f"<{name}>".startswith(tail) for name in _NAMES) else 0
