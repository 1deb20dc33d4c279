"""The phones Fish-Speech 0.2 was trained on: 340 entries, of which 311 have a token ``<p:PHONE>`` each.

Pinyin as Opencpop spells it, with AA, EE and OO for an absent initial; Japanese as Open JTalk spells it; ARPAbet with
stress. Source: Fish-Speech v0.2.0 ``fish_speech/text/symbols.py``.
"""

from __future__ import annotations

LANGUAGES = ("zh", "jp", "en")
SUBTAGS = {"zh": "zh", "en": "en", "jp": "ja"}
"""The same in BCP 47."""

PAD = "_"
PUNCTUATION = ("!", "?", "…", ",", ".", "'", "-")
MARKS = (*PUNCTUATION, "SP", "UNK")  # written bare in a prompt, as is PAD


def _listed(names: str) -> tuple[str, ...]:
    return tuple(names.split())


ZH_INITIALS = _listed("AA EE OO b c ch d f g h j k l m n p q r s sh t w x y z zh")
ZH_FINALS = _listed(
    "E En a ai an ang ao e ei en eng er i i0 ia ian iang iao ie in ing iong ir iu o ong ou "
    "u ua uai uan uang ui un uo v van ve vn"
)
TONES = "12345"  # 5 is the neutral tone

_JP_CONSONANTS = _listed("N b by ch cl d dy f g gy h hy j k ky m my n ny p py r ry s sh t ts v w y z")
_JP_VOWELS = _listed("I U a e i o u")  # capitals are devoiced

_EN_CONSONANTS = _listed("B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH")
_EN_VOWELS = _listed("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW")
EN_UNSTRESSED = ("ER", "IH")  # of two misspelled entries in the dictionary of the training

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
"""Every (language, symbol); a phone two languages share is in here twice."""

ALL_PHONES = tuple(sorted(frozenset().union(*PHONES.values())))
"""The phones without their languages, as tokens name them."""

_BARE = frozenset((*MARKS, PAD))


def token(symbol: str) -> str:
    """A phone or mark as it is written in a prompt."""
    return symbol if symbol in _BARE else f"<p:{symbol}>"
