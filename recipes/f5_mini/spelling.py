"""The model's symbols, and their alignment with phones.

The teacher gives durations of phones, but the network receives letters. An edit distance with a table of the phones
that each letter can represent aligns a sentence's letters and phones, which gives the time of each letter. Capital
letters have their own ids, as the engine requires, but are trained as lower case; the export gives both the same
vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backends.fish.v0_2.text.symbols import PHONES as FISH_PHONES
from backends.fish.v0_2.text.symbols import PUNCTUATION

VOCABULARY_FILE = "vocab.txt"
LOWER_CASE = "abcdefghijklmnopqrstuvwxyz"
SYMBOLS = (" ", *"!',-.:?", *LOWER_CASE, *LOWER_CASE.upper())
IDS = {symbol: number for number, symbol in enumerate(SYMBOLS)}
FOLD = np.array([IDS[symbol.lower()] for symbol in SYMBOLS], np.uint8)
"""For each id, the id that replaces it in training."""

NO_PHONE = "_"
PHONES = (NO_PHONE, *sorted(FISH_PHONES["en"]), *(mark for mark in PUNCTUATION if mark.isascii()))
PHONE_IDS = {phone: number for number, phone in enumerate(PHONES)}

VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
LETTER_PHONES = {
    "a": "AE EY AH AA AO EH", "b": "B", "c": "K S CH SH", "d": "D JH T", "e": "EH IY IH AH EY ER", "f": "F V",
    "g": "G JH ZH NG", "h": "HH", "i": "IH AY IY AH Y ER", "j": "JH Y HH", "k": "K", "l": "L", "m": "M", "n": "N NG",
    "o": "AA OW AH AO UW UH W AW OY", "p": "P F", "q": "K", "r": "R ER", "s": "S Z SH ZH", "t": "T CH SH TH DH",
    "u": "AH UW UH Y W ER IH", "v": "V F", "w": "W V", "x": "K G Z", "y": "IY AY IH Y", "z": "Z S ZH T",
    "!": "!", "'": "'", ",": ",", "-": "- ,", ".": ".", ":": ", .", "?": "?", " ": "",
}  # fmt: skip
_PHONES_OF = {symbol: frozenset(names.split()) for symbol, names in LETTER_PHONES.items()}
LIKE, UNLIKE = 0.3, 1.6  # cost of a vowel with another vowel's letter; of any other pair that is not in the table
SILENT = dict.fromkeys(LOWER_CASE, 0.4) | dict.fromkeys("aeiouhgw", 0.3) | dict.fromkeys("!',-.:?", 0.2) | {" ": 0.0}
UNWRITTEN, UNWRITTEN_MARK = 0.8, 0.3  # cost of a phone, or a mark, without a letter


def write_vocabulary(folder: Path) -> Path:
    """Write the file that the engine and f5-tts read: one symbol per line, the space first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / VOCABULARY_FILE
    path.write_text("\n".join(SYMBOLS) + "\n", encoding="utf-8")
    return path


def ids(text: str) -> list[int]:
    """Convert text of stage 1 to the ids of the engine's vocabulary."""
    return [IDS[letter] for letter in text]


def align_letters(symbols: str, phones: Sequence[str]) -> tuple[list[int], float]:
    """Align symbols and phones by edit distance: the symbol of each phone, and the mean cost per phone.

    :param symbols: lower-case letters, spaces and marks.
    :param phones: ARPAbet with stress, and marks.
    :returns: one index per phone, in ascending order, and the mean cost: 0 is a perfect match, 0.8 means nothing in
        common.
    """
    names = [phone.rstrip("012") for phone in phones]
    alone = [UNWRITTEN if name[0].isalpha() else UNWRITTEN_MARK for name in names]
    rows, columns = len(symbols) + 1, len(phones) + 1
    cost = [0.0]
    for gap in alone:
        cost.append(cost[-1] + gap)
    back = [[2] * columns for _ in range(rows)]  # 0: both, 1: symbol only, 2: phone only
    for row in range(1, rows):
        symbol, steps = symbols[row - 1], back[row]
        table, silent, vowel = _PHONES_OF[symbol], SILENT[symbol], symbol in "aeiouy"
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
    return _fill(found), cost[-1] / max(1, len(phones))


def _fill(found: Sequence[int | None]) -> list[int]:
    """Give a phone without a letter that of the phone before it, or of the first phone that has one."""
    place, places = next((index for index in found if index is not None), 0), []
    for index in found:
        place = place if index is None else index
        places.append(place)
    return places
