"""The phone inventory of Fish-Speech 0.2: 340 entries, 311 of which have a token ``<p:PHONE>``.

Pinyin in Opencpop's spelling, with AA, EE and OO for an absent initial; Japanese in Open JTalk's; ARPAbet with stress.
Source: Fish-Speech v0.2.0 ``fish_speech/text/symbols.py``.
"""

from __future__ import annotations

LANGUAGES = ("zh", "jp", "en")
SUBTAGS = {"zh": "zh", "en": "en", "jp": "ja"}
"""The languages in BCP 47."""

PAD = "_"
PUNCTUATION = ("!", "?", "…", ",", ".", "'", "-")
MARKS = (*PUNCTUATION, "SP", "UNK")  # written without markup in a prompt, like PAD


def _split(names: str) -> tuple[str, ...]:
    return tuple(names.split())


ZH_INITIALS = _split("AA EE OO b c ch d f g h j k l m n p q r s sh t w x y z zh")
ZH_FINALS = _split(
    "E En a ai an ang ao e ei en eng er i i0 ia ian iang iao ie in ing iong ir iu o ong ou "
    "u ua uai uan uang ui un uo v van ve vn"
)
TONES = "12345"  # 5 is the neutral tone

_JP_CONSONANTS = _split("N b by ch cl d dy f g gy h hy j k ky m my n ny p py r ry s sh t ts v w y z")
_JP_VOWELS = _split("I U a e i o u")  # capitals are devoiced

_EN_CONSONANTS = _split("B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH")
_EN_VOWELS = _split("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW")
EN_UNSTRESSED = ("ER", "IH")  # from two misspelled entries in the training dictionary

PHONES: dict[str, frozenset[str]] = {
    "zh": frozenset(ZH_INITIALS) | {final + tone for final in ZH_FINALS for tone in TONES},
    "jp": frozenset((*_JP_CONSONANTS, *_JP_VOWELS)),
    "en": frozenset((*_EN_CONSONANTS, *(vowel + stress for vowel in _EN_VOWELS for stress in "012"), *EN_UNSTRESSED)),
}

INVENTORY: tuple[tuple[str | None, str], ...] = (
    (None, PAD),
    *((language, phone) for language in LANGUAGES for phone in sorted(PHONES[language])),
    *((None, mark) for mark in MARKS),
)
"""Every (language, symbol) pair; a phone that two languages share occurs twice."""

ALL_PHONES = tuple(sorted(frozenset().union(*PHONES.values())))
"""The distinct phones, as tokens name them."""

_BARE = frozenset((*MARKS, PAD))


def token(symbol: str) -> str:
    """Return a phone or mark as it is written in a prompt."""
    return symbol if symbol in _BARE else f"<p:{symbol}>"
