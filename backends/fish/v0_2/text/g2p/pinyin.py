"""A Mandarin syllable as two phones of Fish-Speech 0.2.

The phones follow pinyin spelling: an absent initial becomes y or w where one is written, otherwise AA, EE or OO
according to the vowel. After sibilants i has its own symbols (i0 in zi, ir in zhi), as has the vowel of yan and ye.
"""

from __future__ import annotations

from backends.fish.v0_2.text.symbols import TONES

_ABBREVIATED = {"iou": "iu", "uei": "ui", "uen": "un"}  # after an initial
_AFTER_SIBILANT = {**dict.fromkeys(("z", "c", "s"), "i0"), **dict.fromkeys(("zh", "ch", "sh", "r"), "ir")}
_GLIDES = {"i": "y", "u": "w", "v": "y"}
_VOWELS = {"a": "AA", "e": "EE", "o": "OO"}
_AFTER_Y = {"ie": "E", "ian": "En"}


def split_syllable(initial: str, final: str) -> tuple[str, str] | None:
    """Return the two phones of a syllable, with the tone on the second.

    :param initial: pypinyin's strict initial; y and w do not count as initials.
    :param final: pypinyin's strict final followed by its tone, e.g. ``iang3``; ü is v.
    :returns: None if the arguments are not a syllable.
    """
    rime, tone = final[:-1], final[-1:]
    if not rime or tone not in TONES:
        return None
    if initial:
        if rime == "i":
            rime = _AFTER_SIBILANT.get(initial, rime)
        return initial, _ABBREVIATED.get(rime, rime) + tone
    if rime[0] in _VOWELS:
        return _VOWELS[rime[0]], final
    if rime[0] not in _GLIDES:
        return None
    if rime in _AFTER_Y:
        bare = _AFTER_Y[rime]
    elif rime in ("i", "in", "ing", "u") or rime[0] == "v":
        bare = rime  # yi, yin, ying, wu, yu, yue, yuan, yun keep their vowel after the glide
    else:
        bare = rime[1:]
    return _GLIDES[rime[0]], bare + tone
