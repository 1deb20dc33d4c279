"""The model's symbols, and their alignment with phones.

The teacher's durations are those of phones; what the network is given are letters. An edit distance with a table of
what each letter can stand for brings a sentence's letters and phones together, so that it is known at which time which
letter is spoken. Capital letters have ids of their own, as the engine wants, but are trained as their small ones; the
export gives them the same vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backends.fish.v0_2.text.symbols import PHONES as FISH_PHONES
from backends.fish.v0_2.text.symbols import PUNCTUATION

VOCABULARY_FILE = "vocab.txt"
SMALL = "abcdefghijklmnopqrstuvwxyz"
SYMBOLS = (" ", *"!',-.:?", *SMALL, *SMALL.upper())
IDS = {symbol: number for number, symbol in enumerate(SYMBOLS)}
FOLD = np.array([IDS[symbol.lower()] for symbol in SYMBOLS], np.uint8)
"""For each id the one that represents it in training."""

NO_PHONE = "_"
PHONES = (NO_PHONE, *sorted(FISH_PHONES["en"]), *(mark for mark in PUNCTUATION if mark.isascii()))
PHONE_IDS = {phone: number for number, phone in enumerate(PHONES)}

VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
STANDS_FOR = {
    "a": "AE EY AH AA AO EH", "b": "B", "c": "K S CH SH", "d": "D JH T", "e": "EH IY IH AH EY ER", "f": "F V",
    "g": "G JH ZH NG", "h": "HH", "i": "IH AY IY AH Y ER", "j": "JH Y HH", "k": "K", "l": "L", "m": "M", "n": "N NG",
    "o": "AA OW AH AO UW UH W AW OY", "p": "P F", "q": "K", "r": "R ER", "s": "S Z SH ZH", "t": "T CH SH TH DH",
    "u": "AH UW UH Y W ER IH", "v": "V F", "w": "W V", "x": "K G Z", "y": "IY AY IH Y", "z": "Z S ZH T",
    "!": "!", "'": "'", ",": ",", "-": "- ,", ".": ".", ":": ", .", "?": "?", " ": "",
}  # fmt: skip
_STANDS_FOR = {symbol: frozenset(names.split()) for symbol, names in STANDS_FOR.items()}
LIKE, UNLIKE = 0.3, 1.6  # a vowel written with another vowel's letter; anything else that is not in the table
SILENT = dict.fromkeys(SMALL, 0.4) | dict.fromkeys("aeiouhgw", 0.3) | dict.fromkeys("!',-.:?", 0.2) | {" ": 0.0}
UNWRITTEN, UNWRITTEN_MARK = 0.8, 0.3  # a phone that has no letter


def write_vocabulary(folder: Path) -> Path:
    """The file that the engine and f5-tts read: one symbol a line, the space first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / VOCABULARY_FILE
    path.write_text("\n".join(SYMBOLS) + "\n", encoding="utf-8")
    return path


def ids(text: str) -> list[int]:
    """The ids that the engine's vocabulary gives a sentence of stage 1, which has no other letters and no "..."."""
    return [IDS[letter] for letter in text]


def written(symbols: str, phones: Sequence[str]) -> tuple[list[int], float]:
    """Align symbols and phones by edit distance: the symbol of each phone, and the mean cost per phone.

    :param symbols: small letters, spaces and marks.
    :param phones: ARPAbet with stress, and marks.
    :returns: as many indices as phones, not decreasing; a misfit of 0 is perfect, of 0.8 means nothing in common.
    """
    names = [phone.rstrip("012") for phone in phones]
    alone = [UNWRITTEN if name[0].isalpha() else UNWRITTEN_MARK for name in names]
    rows, columns = len(symbols) + 1, len(phones) + 1
    cost = [0.0]
    for gap in alone:
        cost.append(cost[-1] + gap)
    back = [[2] * columns for _ in range(rows)]  # 0 both, 1 symbol alone, 2 phone alone
    for row in range(1, rows):
        symbol, steps = symbols[row - 1], back[row]
        table, silent, vowel = _STANDS_FOR[symbol], SILENT[symbol], symbol in "aeiouy"
        above, cost = cost, [cost[0] + silent]
        steps[0] = 1
        for column in range(1, columns):
            name = names[column - 1]
            unlike = 0.0 if name in table else LIKE if vowel and name in VOWELS else UNLIKE
            both, down, right = above[column - 1] + unlike, above[column] + silent, cost[-1] + alone[column - 1]
            best = min(both, down, right)
            cost.append(best)
            steps[column] = 0 if best == both else 1 if best == down else 2
    found: list[int | None] = [None] * len(phones)
    row, column = rows - 1, columns - 1
    while row or column:
        step = back[row][column]
        row, column = row - (step != 2), column - (step != 1)
        if step == 0:
            found[column] = row
    return _filled(found), cost[-1] / max(1, len(phones))


def _filled(found: Sequence[int | None]) -> list[int]:
    """A phone without a letter goes to the letter of the phone before it; the first ones to the next that has one."""
    place, places = next((index for index in found if index is not None), 0), []
    for index in found:
        place = place if index is None else index
        places.append(place)
    return places
