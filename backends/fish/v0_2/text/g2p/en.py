"""English in phones: the CMU dictionary, and g2p_en's network for words it lacks.

The steps of Fish-Speech v0.2.0 ``fish_speech/text/english.py``, which reads decimals and hyphenated numbers worse. It
brings an older dictionary: some three words in a hundred are pronounced slightly differently there, of the common ones
those in ``_OLDER``.

The dictionary is CMUdict (BSD-2-Clause) as of commit 0f8072f of 2024-12-17, compressed. The network's weights are those
of g2p_en 2.1.0 (Apache-2.0). Their licenses are beside them.
"""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

import backends.fish
from backends.errors import InvalidJob, LoadError
from backends.fish.v0_2.text.g2p.guess import Guesser
from backends.fish.v0_2.text.g2p.numbers import spell_numbers
from backends.fish.v0_2.text.symbols import PUNCTUATION

ASSETS = Path(backends.fish.__file__).parent / "assets"
DICTIONARY = ASSETS / "cmudict/cmudict.dict.gz"
NETWORK = ASSETS / "g2p_en/checkpoint20.npz"

_OLDER = {"and": "AE1 N D", "were": "W ER0", "her": "HH ER0", "into": "IH0 N T UW1", "here": "HH IH1 R"}

_PART = re.compile(r"[^\s,;.\-?!+]+|[,.\-?!]")
_WORD = re.compile(r"[A-Za-z](?:[A-Za-z']*[A-Za-z])?|'")
_SIBILANTS = frozenset(("S", "Z", "SH", "ZH", "CH", "JH"))
_VOICELESS = frozenset(("P", "T", "K", "F", "TH"))


class English:
    """Reads clean text; characters other than letters, digits, apostrophes and punctuation are left out."""

    def __init__(self) -> None:
        self._entries: dict[str, str] = {}
        self._guess: Guesser | None = None

    def warm_up(self) -> None:
        """Load the dictionary, 20 MB in some 0.2 s, and the network.

        :raises LoadError: if one of them is missing or damaged.
        """
        if self._entries:
            return
        self._guess = Guesser(NETWORK)
        self._entries = {**read_cmudict(DICTIONARY), **_OLDER}

    def __call__(self, text: str) -> list[str]:
        """The phones of a text.

        :raises InvalidJob: if the pronunciation of a word can neither be found nor guessed.
        :raises LoadError: if the dictionary or the network is missing or damaged.
        """
        self.warm_up()
        phones: list[str] = []
        for part in _PART.findall(spell_numbers(text)):
            if part in PUNCTUATION:
                phones.append(part)
            elif entry := self._entries.get(part.lower()):
                phones += entry.split()
            else:
                for word in _WORD.findall(part):
                    phones += [word] if word == "'" else self._word(word)
        return phones

    def _word(self, word: str) -> list[str]:
        if entry := self._entries.get(word.lower()):
            return entry.split()
        if word[-2:].lower() == "'s":
            phones = self._word(word[:-2])
            return [*phones, *_plural(phones[-1])]
        if self._guess is not None and (guessed := self._guess(word.lower())):
            return list(guessed)
        if word.isupper():
            return [phone for letter in word.replace("'", "") for phone in self._letter(letter)]
        raise InvalidJob(f"the pronunciation of {word!r} is unknown: write it in other words", param="text")

    def _letter(self, letter: str) -> list[str]:
        return ["EY1"] if letter == "A" else self._entries[letter.lower()].split()  # the entry "a" is the article


def read_cmudict(path: Path) -> dict[str, str]:
    """Read the first pronunciation of every word, keyed by the word in lower case.

    :param path: CMUdict in its own format, compressed with gzip.
    :raises LoadError: if the file is not that.
    """
    entries: dict[str, str] = {}
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                word, _, phones = line.partition("#")[0].strip().partition(" ")
                if not word.endswith(")"):  # "word(2)" are other pronunciations
                    entries[word] = phones
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise LoadError(f"{path}: not a readable dictionary ({error})") from error
    return entries


def _plural(last: str) -> tuple[str, ...]:
    """Phones of "'s" after a phone."""
    if last in _SIBILANTS:
        return "AH0", "Z"
    return ("S",) if last in _VOICELESS else ("Z",)
