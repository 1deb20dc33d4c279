"""Alignment of the engine's phones with the teacher's phonemes, whose durations are known.

The teacher (hibari-tts) writes misaki's alphabet, one letter a phoneme; the engine writes ARPAbet from the CMU
dictionary. Both describe the same words, so an edit distance that knows similar sounds aligns them. A sentence with
too large a distance is not used. Training guides one attention head by the alignment, so that the model need not
discover by itself where in the text it is.
"""

from __future__ import annotations

from collections.abc import Sequence

LIKE = {
    "AA": "ɑɔ", "AE": "æ", "AH": "ʌəᵊɐ", "AO": "ɔɑO", "AW": "W", "AY": "I", "B": "b", "CH": "ʧ", "D": "dɾT", "DH": "ð",
    "EH": "ɛ", "ER": "ɜəɚ", "EY": "A", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪᵻəi", "IY": "iɪ", "JH": "ʤ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "O", "OY": "Y", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ",
    "T": "tTɾʔ", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
    ",": ",;:—", ".": ".…", "?": "?", "!": "!", "-": "—", "'": "",
}  # fmt: skip
VOWELS = frozenset("ɑɔæʌəᵊɐWIɛɜɚAɪᵻiOYʊuaeo")
SILENT = frozenset(' ˈˌː"()“”')  # letters of the teacher without a sound; their time goes to the phone before them
STRESS = frozenset("ˈˌ")
NEAR = (
    frozenset("szʃʒ"),
    frozenset("tdTɾʔθð"),
    frozenset("nŋm"),
    frozenset("kɡ"),
    frozenset("pbfv"),
    frozenset("ʧʤʃt"),
)
GAP, R_GAP, MARK_GAP = 0.8, 0.1, 0.3


def align_phones(phones: Sequence[str], letters: str, ends: Sequence[float]) -> tuple[list[float], float]:
    """Align two spellings by edit distance: the end time of each phone, and the mean cost per phone.

    :param phones: ARPAbet with stress, and punctuation marks.
    :param letters: the teacher's letters, spaces and stress marks included.
    :param ends: the end time of each letter, in any unit.
    :returns: one end time per phone, in ascending order, and the mean cost: 0 is a perfect match, 0.8 means nothing in
        common.
    """
    kept = [(letter, end) for letter, end in _merged(letters, ends)]
    rows, columns = len(phones) + 1, len(kept) + 1
    cost = [[0.0] * columns for _ in range(rows)]
    back = [[0] * columns for _ in range(rows)]  # 0: both, 1: phone only, 2: letter only
    for row in range(1, rows):
        cost[row][0], back[row][0] = cost[row - 1][0] + _phone_gap(phones[row - 1]), 1
    for column in range(1, columns):
        cost[0][column], back[0][column] = cost[0][column - 1] + GAP, 2
    for row in range(1, rows):
        phone = phones[row - 1]
        alone, above, here, steps = _phone_gap(phone), cost[row - 1], cost[row], back[row]
        name = phone.rstrip("012")
        for column in range(1, columns):
            letter = kept[column - 1][0]
            both = above[column - 1] + _unlike(name, letter)
            down, right = above[column] + alone, here[column - 1] + _letter_gap(name, letter)
            if both <= down and both <= right:
                here[column] = both
            elif down <= right:
                here[column], steps[column] = down, 1
            else:
                here[column], steps[column] = right, 2
    found = [0.0] * len(phones)
    row, column = rows - 1, columns - 1
    while row or column:
        step = back[row][column]
        if step == 2:
            column -= 1
            continue
        row -= 1
        if step == 0:
            column -= 1
            found[row] = kept[column][1]
    for row in range(1, len(found)):  # phones without a letter take no time
        found[row] = max(found[row], found[row - 1])
    return found, cost[-1][-1] / max(1, len(phones))


def _merged(letters: str, ends: Sequence[float]) -> list[tuple[str, float]]:
    """Return the letters with a sound; each includes the time of the silent letters that follow it."""
    kept: list[tuple[str, float]] = []
    for letter, end in zip(letters, ends, strict=True):
        if letter not in SILENT:
            kept.append((letter, end))
        elif kept and letter not in STRESS:
            kept[-1] = (kept[-1][0], end)
    return kept


def _unlike(name: str, letter: str) -> float:
    if letter in LIKE.get(name, ""):
        return 0.0
    other = LIKE.get(name, "")[:1]
    if letter in VOWELS:
        return 0.4 if other in VOWELS else 1.5
    return 0.4 if any(letter in near and other in near for near in NEAR) else 1.5


def _phone_gap(phone: str) -> float:
    return GAP if phone[0].isalpha() else MARK_GAP


def _letter_gap(before: str, letter: str) -> float:
    """Cost of a letter without a phone; "ɹ" after ER, which includes it, costs little."""
    if letter == "ɹ" and before == "ER":
        return R_GAP
    return GAP if letter.isalpha() else MARK_GAP
