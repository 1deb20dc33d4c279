"""Surrogate pairs that a client has divided between two messages.

JavaScript's strings are UTF-16. A client that cuts them by length can send the halves of an emoji separately, each as a
lone surrogate.
"""

from __future__ import annotations

import re

_LONE = re.compile("[\ud800-\udfff]")


class SurrogateJoiner:
    """Join surrogates across the messages of one session; the result can be encoded.

    A lone surrogate becomes a space, so that text positions stay those of the client.
    """

    def __init__(self) -> None:
        self._high = ""

    def add(self, text: str) -> str:
        """Return the text so far that is complete: a high surrogate at the end waits for the next message."""
        text, self._high = self._high + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._high = text[:-1], text[-1]
        if not _LONE.search(text):
            return text
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return _LONE.sub(" ", joined)

    def finish(self) -> str:
        """Return what still waits, at the end of the text."""
        high, self._high = self._high, ""
        return " " if high else ""
