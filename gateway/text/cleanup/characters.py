"""Characters that are written in more than one way, and characters without a visible form."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal, NamedTuple

from gateway.text.mapped_text import Edit

Kind = Literal["replaced", "mark", "space", "joiner", "selector", "tag", "modifier", "punctuation"]


class _Cleaned(NamedTuple):
    """A character that is replaced; by what may depend on its neighbors."""

    kind: Kind
    spoken: str


_EXTRA = {
    "\u034f": "",  # joins combining marks
    "\u115f": "",  # Hangul fillers
    "\u1160": "",
    "\u3164": "",
    "\uffa0": "",
    "\u2800": " ",  # a Braille cell without dots
    "\u2010": "-",  # hyphens; language models write U+2011
    "\u2011": "-",
    "ʼ": "’",
    "ʻ": "‘",
    "ɑ": "a",
    "ɡ": "g",
}
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2\u0890\u0891\U000110bd\U000110cd")
_EXPANDED = frozenset(
    ("<font>", "<wide>", "<narrow>", "<small>", "<vertical>", "<initial>", "<medial>", "<final>", "<isolated>")
)
# Code points with the decomposition <compat> or <square> that are read as it: ligatures, Greek symbols, parenthesized
# letters, radicals, units. Others are left to the normalizer (Ⅳ, №, …), or are letters of their own (Thai ำ).
_COMPATIBLE = re.compile("[ĲĳĿŀŉſǄ-ǌǱ-ǳϐ-ϖϰ-ϵ℀℁℃℅℆℉⒜-⒵⺀-⿕㋀-㋏㌀-㏿ﬀ-ﬆﬓ-ﬗ\U0001f130-\U0001f14f]")
_FULL_WIDTH_PUNCTUATION = frozenset("！＂＇（），．：；？［］｛｝｟｠～￣")
_IN_NUMBERS = {"．": ".", "：": ":", "，": ","}
_THOUSANDS = re.compile("[０-９]{3}(?![０-９])")
_NUMBER_SPACES = frozenset("\u00a0\u2007\u2008\u2009\u202f")  # separate thousands
_STYLED_NAME = re.compile(r"(?:LATIN LETTER SMALL CAPITAL|NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER) ([A-Z])")
_OVERLAYS = frozenset("\u0305\u0332\u0333\u0335\u0336\u0337\u0338")  # struck out or underlined, to style a letter
_MAX_MARKS = 8
_MAX_LATIN_MARKS = 3  # more are decoration ("Zalgo"); also Greek and Cyrillic


def character_edits(text: str) -> list[Edit]:
    """Return the edits of single characters and of letters with combining marks, in order."""
    cleaned = {char: found for char in set(text) if (found := _classify(char))}
    if not cleaned:
        return []
    edits: list[Edit] = []
    for at, char in enumerate(text):
        if (found := cleaned.get(char)) is None:
            continue
        if found.kind != "mark":
            spoken = _in_context(text, at, found)
            if spoken is not None:
                edits.append(Edit(at, at + 1, spoken, "cleanup"))
        elif edits and edits[-1].end == at and edits[-1].spoken:
            last = edits.pop()
            spoken = _with_mark(last.spoken, found.spoken, at - last.start)
            edits.append(Edit(last.start, at + 1, spoken, "cleanup"))
        elif at:
            edits.append(Edit(at - 1, at + 1, _with_mark(text[at - 1], found.spoken, 1), "cleanup"))
    return [edit for edit in edits if edit.spoken != text[edit.start : edit.end]]


def _with_mark(letter: str, mark: str, marks: int) -> str:
    """Compose a letter, which may have marks, with another mark.

    :param marks: number of its marks with this one.
    """
    if letter[0].isalpha() and mark in _OVERLAYS:
        return letter
    if letter[0].isalpha() and letter[0] < "\u0530" and marks > _MAX_LATIN_MARKS:
        return "".join(char for char in unicodedata.normalize("NFD", letter) if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", letter + mark) if marks <= _MAX_MARKS else letter


def _in_context(text: str, at: int, found: _Cleaned) -> str | None:
    """Return the replacement of a character; None: it stays."""
    char, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    match found.kind:
        case "space":
            return None if char in _NUMBER_SPACES and before.isdecimal() and after.isdecimal() else " "
        case "joiner":
            return None if _joins(before) or _is_pictograph(before) else ""
        case "selector":
            is_emoji = _is_pictograph(before) and _classify(before) is None
            return None if char in "\ufe0e\ufe0f" and (is_emoji or after == "\u20e3") else ""
        case "tag":
            return None if before == "\U0001f3f4" or "\U000e0020" <= before <= "\U000e007e" else ""
        case "modifier":
            is_single = not (before and _is_modifier(before)) and not (after and _is_modifier(after))
            return None if is_single and _is_formula_letter(char) else found.spoken
        case "punctuation":
            if char == "，" and not (before >= "０" and _THOUSANDS.match(text, at + 1)):
                return None
            return found.spoken if before.isdecimal() and after.isdecimal() else None
    return found.spoken


@lru_cache(maxsize=8192)
def _classify(char: str) -> _Cleaned | None:
    """Return how a character is cleaned up; None: it is not."""
    code = ord(char)
    if " " <= char <= "~" or char in "\t\n\r":
        return None
    if char in _EXTRA:
        return _Cleaned("replaced", _EXTRA[char])
    if "\ufe00" <= char <= "\ufe0f" or 0xE0100 <= code <= 0xE01EF:
        return _Cleaned("selector", "")
    if unicodedata.combining(char) or "\u1161" <= char <= "\u1175" or "\u11a8" <= char <= "\u11c2":
        return _Cleaned("mark", unicodedata.normalize("NFC", char))
    if char in "ﾞﾟ":
        return _Cleaned("mark", unicodedata.normalize("NFKC", char))
    if char in _IN_NUMBERS:
        return _Cleaned("punctuation", _IN_NUMBERS[char])
    match unicodedata.category(char):
        case "Cc":
            return _Cleaned("replaced", _control(char))
        case "Cs" | "Co":
            return _Cleaned("replaced", "")
        case "Cf":
            return _format(char)
        case "Zs":
            return _Cleaned("space", " ")
        case "Zl" | "Zp":
            return _Cleaned("replaced", "\n")
    if _is_modifier(char):
        return _Cleaned("modifier", unicodedata.normalize("NFKC", char))
    plain = unicodedata.normalize("NFC", _expand(char))
    return _Cleaned("replaced", plain) if plain != char else None


def _control(char: str) -> str:
    if char in "\x0b\x0c":
        return "\n"
    try:
        # Quotes and dashes of Windows-1252 that were decoded as Latin-1.
        return char.encode("latin-1").decode("cp1252") if char >= "\x80" else " "
    except UnicodeDecodeError:
        return " "


def _format(char: str) -> _Cleaned | None:
    if char in _VISIBLE_FORMAT:
        return None
    if char in "\u200c\u200d":
        return _Cleaned("joiner", "")
    return _Cleaned("tag" if "\U000e0020" <= char <= "\U000e007f" else "replaced", "")


def _expand(char: str) -> str:
    """The letters, digits or signs that a character is a style or a presentation form of, or the character itself."""
    if char == "ℹ":  # an emoji
        return char
    tag, *parts = unicodedata.decomposition(char).split() or [""]
    if tag.startswith("<"):
        plain = "".join(_expand(chr(int(part, 16))) for part in parts)
        if tag == "<circle>":  # ① and ㊗ are left to the normalizer
            return plain if plain.isalpha() and not "㊀" <= char <= "㊰" else char
        if _COMPATIBLE.match(char) or (
            tag in _EXPANDED and char not in _FULL_WIDTH_PUNCTUATION and not plain.startswith(" ")
        ):
            return plain
    elif styled := _STYLED_NAME.fullmatch(unicodedata.name(char, "")):
        return styled[1].lower() if "SMALL" in styled[0] else styled[1]
    return char


def _is_modifier(char: str) -> bool:
    """Whether a character is a raised or lowered letter: ʰ, ₐ; not ª and º, which end Spanish ordinals."""
    if not unicodedata.decomposition(char).startswith(("<super>", "<sub>")) or char in "ªº":
        return False
    plain = unicodedata.normalize("NFKC", char)
    return len(plain) == 1 and plain.isalpha() and plain < "\u0530"


def _is_formula_letter(modifier: str) -> bool:
    """Whether a single raised or lowered letter is more likely part of a formula, xⁿ, than of a word, Mʳ."""
    return modifier in "ⁿⁱ" or unicodedata.decomposition(modifier).startswith("<sub>")


def _joins(before: str) -> bool:
    """Whether a joiner after a letter changes its form: in Arabic and Indic scripts, Khmer and Mongolian."""
    return "\u0600" <= before <= "\u0dff" or "\u1780" <= before <= "\u18af"


def _is_pictograph(char: str) -> bool:
    """Whether a character is a part of an emoji, so that a joiner or a variation selector may follow it."""
    is_skin_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    return char != "" and (unicodedata.category(char) == "So" or is_skin_tone or char in "\ufe0f‼⁉〰〽ℹ↔◽◾")
