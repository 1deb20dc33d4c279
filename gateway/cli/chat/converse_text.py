"""Text of the events of Bedrock's ConverseStream, as it can be spoken while the model is still writing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import InvalidRequest
from gateway.text.bedrock.answers import MAX_CHARS
from gateway.text.thoughts import ThoughtFilter

_MAX_GAP_CHARS = 10


class ConverseText:
    """Incremental extraction of the text, without reasoning, tool use, citations and thoughts between tags.

    Text blocks that are not adjacent, for instance because of a tool use between them, are separated by a blank line.
    """

    def __init__(self) -> None:
        self._thoughts = ThoughtFilter()
        self._block: int | None = None  # index of the current text block
        self._is_interrupted = False  # whether a block without text has followed it
        self._received_chars = 0
        self._spoken_chars = 0
        self._is_blank = True  # whether the current run of adjacent texts has only white space
        self._gap = ""  # trailing white space, emitted only if more text follows
        self._stop_reason = ""

    def add(self, event: Mapping[str, Any]) -> str:
        """The text of this event that can be spoken now; often empty.

        :raises InvalidRequest: if there are more than MAX_CHARS characters, thoughts included.
        """
        if stop := event.get("messageStop"):
            self._stop_reason = stop.get("stopReason", "")
        found = event.get("contentBlockStart") or event.get("contentBlockDelta") or {}
        block, delta = found.get("contentBlockIndex", 0), found.get("delta", {})
        text = delta.get("text")
        if text is None:
            if found.get("start") or (delta and "citation" not in delta):
                self._is_interrupted |= block != self._block
            return ""
        spoken = ""
        if self._block is not None and self._is_interrupted:
            spoken = self._emit(self._thoughts.end())
            self._thoughts = ThoughtFilter()
            self._is_blank, self._gap = True, "\n\n" if self._spoken_chars else ""
        self._block, self._is_interrupted = block, False
        self._received_chars += len(text)
        spoken += self._emit(self._thoughts.feed(text))
        if self._received_chars > MAX_CHARS:
            raise InvalidRequest(f"the answer has too much text: the limit is {MAX_CHARS:,} characters", param="answer")
        return spoken

    def end(self) -> str:
        """The pending text that can be spoken once the stream is complete.

        :raises InvalidRequest: if the whole stream has no text.
        """
        rest = self._emit(self._thoughts.end())
        if not self._spoken_chars:
            reason = f"; its stop reason is {self._stop_reason[:100]!r}" if self._stop_reason else ""
            raise InvalidRequest(
                f"the model's response has no text, only reasoning, tool use or nothing{reason}", param="answer"
            )
        return rest

    def _emit(self, text: str) -> str:
        text = self._gap + (text.lstrip() if self._is_blank else text)
        kept = text.rstrip()
        self._gap = text[len(kept) :][:_MAX_GAP_CHARS]
        self._is_blank = self._is_blank and not kept
        self._spoken_chars += len(kept)
        return kept
