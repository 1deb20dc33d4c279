"""Roman numerals, after the words that they number."""

from __future__ import annotations

import re

from gateway.text.normalize.english.words import before, integer, ordinal_words
from gateway.text.normalize.shared import spaced

_NUMERAL = r"(?P<numeral>(?=[IVXL])(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))(?!\w|['’](?!s\b))"
_RULERS = (
    "Louis|Henry|Elizabeth|George|Charles|Edward|James|William|Richard|Napoleon|Paul|Benedict|Pius|Leo|Gregory|Clement"
    "|Innocent|Urban|Philip|Frederick|Nicholas|Alexander|Catherine|Ivan|Francis|Peter|Mary|Wilhelm|Ferdinand|Alfonso"
    "|Ramses|Ramesses|Thutmose|Xerxes|Darius|Cyrus|Selim|Mehmed|Murad|Harald|Margrethe|Gustav|Christian|Leopold"
    "|Albert|Carl|Felipe|Juan|Joseph|Otto|Robert|Constantine|Theodosius|Ptolemy|Stephen|Sixtus|Julius"
)
_RULER = re.compile(rf"\b(?:{_RULERS})\s$")
_NUMBERED = re.compile(
    r"\b(?:[Cc]hapter|[Pp]art|[Aa]ct|[Ss]cene|[Vv]olume|[Vv]ol\.|[Bb]ook|[Ss]ection|[Pp]hase|[Tt]ype|[Cc]lass|[Aa]rticle"
    r"|[Aa]ppendix|[Tt]itle|[Ll]evel|[Ss]tage|[Gg]rade|[Tt]ier|[Ff]igure|Fig\.|[Tt]able|World War|Super Bowl"
    r"|Mark|Vatican|Apollo|Episode|Season|Symphony|Category|Division|Group|Schedule|Annex|Canto|Psalm)\s$"
)
_ROMAN = re.compile(rf"(?<=[A-Za-z.]\s){_NUMERAL}(?P<century>(?=\scentur))?")
_CAPITALIZED = re.compile(r"\b[A-Z][a-z]{2,20}\s$")
_PLAIN = re.compile(r"(?:X{1,3}|(?=[IVX]))(?:IX|IV|V?I{0,3})")
_AFTER_FIRST = re.compile(r"[,.;:!?)]|\s?$|\s(?:of|was|is|had|and|the|in|ruled|reigned|died|to|who|became)\b")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def _value(numeral: str) -> str:
    values = [_VALUES[char] for char in numeral]
    return str(sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True)))


def _read_roman(match: re.Match[str]) -> str | None:
    numeral, text_before = match["numeral"], before(match)
    if not numeral:
        return None
    if match["century"] is not None:
        return ordinal_words(_value(numeral))
    if _NUMBERED.search(text_before):
        return integer(_value(numeral))
    if _RULER.search(text_before):
        if numeral in ("I", "X", "V", "L") and not _AFTER_FIRST.match(match.string, match.end()):
            return None
        return "the " + ordinal_words(_value(numeral))
    if len(numeral) > 1 and numeral != "XXX" and _PLAIN.fullmatch(numeral) and _CAPITALIZED.search(text_before):
        return integer(_value(numeral))
    return None


RULES = (spaced("roman", _ROMAN, _read_roman),)
