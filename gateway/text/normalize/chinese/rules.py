"""Parts of the rules of the Chinese normalizer."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.text.normalize.chinese.words import in_script_of
from gateway.text.normalize.cjk import DIGITS
from gateway.text.normalize.rules import Rule

TO = r"\s?(?:[-–—−－~～〜]{1,2}|至|到)\s?"
RANGE_FOLLOWS = r"(?P<to>\s?[-–—−－~～〜]{1,2}\s?(?=\d|[周週今明]))?"


def rule(category: str, pattern: str, read: Callable[[re.Match[str]], str | None], needs: str = DIGITS) -> Rule:
    """A rule whose words are in the characters, Traditional or Simplified, of the text around it."""

    def read_in_script(match: re.Match[str]) -> str | None:
        words = read(match)
        return words and in_script_of(match.string, match.start(), match.end(), words)

    return Rule(category, re.compile(pattern), read_in_script, frozenset(needs))
