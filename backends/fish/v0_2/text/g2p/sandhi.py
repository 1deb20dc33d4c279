"""Tone sandhi of Mandarin: tone changes between adjacent syllables.

Words that affect each other's tones are merged first. Then tones change within each word: 不 and 一 depending on the
next syllable, weak syllables to neutral, and a third tone before a third tone to the second. The rules are those with
which Fish-Speech v0.2.0 was trained (``fish_speech/text/tone_sandhi.py``, PaddleSpeech's front end), except that no
syllable is lost or doubled, as happens in the original's merging.

A final is in pypinyin's spelling, followed by the digit of its tone. The "final" of a punctuation mark is the mark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backends.fish.v0_2.text.g2p.neutral import NEUTRAL_WORDS, STRONG_WORDS

Word = tuple[str, str]  # a word and its part of speech, as jieba tags it
Finals = list[str]

_PUNCTUATION = frozenset("：，；。？！“”‘’':,;.?!")
_PARTICLES = frozenset("吧呢啊呐噻嘛吖嗨呐哦哒额滴哩哟喽啰耶喔诶的地得")
_COUNTED_BEFORE_GE = frozenset("几有两半多各整每做是")


class ToneSandhi:
    """The rules, with access to two dictionaries.

    :param read: returns the finals of a word in isolation.
    :param search_cut: returns the words inside a word, as ``jieba.cut_for_search``.
    """

    def __init__(self, read: Callable[[str], Sequence[str]], search_cut: Callable[[str], Sequence[str]]):
        self._read = read
        self._search_cut = search_cut

    def merge(self, words: Sequence[Word]) -> list[Word]:
        """Merge words whose tones depend on each other."""
        merged = _merge_doubled(_merge_yi(_merge_bu(words)))
        merged = self._merge_third_tones(merged, lambda before, after: _all_third(before) and _all_third(after))
        merged = self._merge_third_tones(merged, lambda before, after: _third(before[-1]) and _third(after[0]))
        return _merge_er(merged)

    def change(self, word: str, tag: str, finals: Sequence[str]) -> Finals:
        """Return the finals of a merged word with sandhi applied."""
        changed = list(finals)
        _change_bu(word, changed)
        _change_yi(word, changed)
        self._neutralize(word, tag, changed)
        self._change_third(word, changed)
        return changed

    def _merge_third_tones(
        self, words: Sequence[Word], meet: Callable[[Sequence[str], Sequence[str]], bool]
    ) -> list[Word]:
        """Merge two short words where third tones meet; no word is merged twice."""
        merged: list[Word] = []
        before: Sequence[str] = ()  # finals of the last word, if the next one may be merged with it
        for word, tag in words:
            finals = self._read(word)
            last = merged[-1][0] if merged else ""
            if before and finals and meet(before, finals) and not _doubled(last) and len(last) + len(word) <= 3:
                merged[-1] = (last + word, merged[-1][1])
                before = ()
            else:
                merged.append((word, tag))
                before = finals
        return merged

    def _neutralize(self, word: str, tag: str, finals: Finals) -> None:
        """Change weak syllables to the neutral tone."""
        if tag[:1] in ("n", "v", "a") and word not in STRONG_WORDS:
            for index in range(1, len(word)):
                if word[index] == word[index - 1]:
                    _set(finals, index, "5")
        ge = word.find("个")
        if (
            word[-1] in _PARTICLES
            or (word in ("了", "着", "过") and tag in ("ul", "uz", "ug"))
            or (len(word) > 1 and word[-1] in "们子" and tag in ("r", "n") and word not in STRONG_WORDS)
            or (len(word) > 1 and word[-1] in "上下里" and tag in ("s", "l", "f"))
            or (len(word) > 1 and word[-1] in "来去" and word[-2] in "上下进出回过起开")
        ):
            _set(finals, len(word) - 1, "5")
        elif word == "个" or (ge >= 1 and (word[ge - 1].isnumeric() or word[ge - 1] in _COUNTED_BEFORE_GE)):
            _set(finals, ge, "5")
        elif word[-2:] in NEUTRAL_WORDS:
            _set(finals, len(word) - 1, "5")
        end = 0
        for part in self._halves(word):
            end += len(part)
            if part[-2:] in NEUTRAL_WORDS:
                _set(finals, end - 1, "5")

    def _change_third(self, word: str, finals: Finals) -> None:
        if len(word) == 2 and _all_third(finals):
            _set(finals, 0, "2")
        elif len(word) == 3:
            split = len(self._halves(word)[0])
            if _all_third(finals):
                if split == 2:  # 展览-馆
                    _set(finals, 0, "2")
                if split <= 2:  # 小-老虎
                    _set(finals, 1, "2")
            elif split == 2 and _all_third(finals[:2]):  # 所有-人
                _set(finals, 0, "2")
            elif split == 1 and _all_third(finals[1:]):
                _set(finals, 1, "2")
            elif split == 1 and _all_third(finals[:2]):  # 好-喜欢
                _set(finals, 0, "2")
        elif len(word) == 4:  # an idiom is treated as two words of two syllables
            for start in (0, 2):
                if _all_third(finals[start : start + 2]):
                    _set(finals, start, "2")

    def _halves(self, word: str) -> tuple[str, str]:
        """Split a word into the shortest word at its start or end, and the rest."""
        shortest = min(self._search_cut(word), key=len)
        if word.startswith(shortest):
            return shortest, word[len(shortest) :]
        return word[: -len(shortest)], shortest


def _merge_bu(words: Sequence[Word]) -> list[Word]:
    """Merge 不 with the word after it."""
    merged: list[Word] = []
    pending = ""
    for word, tag in words:
        if word == "不" and not pending:
            pending = word
        else:
            merged.append((pending + word, tag))
            pending = ""
    return [*merged, (pending, "d")] if pending else merged


def _merge_yi(words: list[Word]) -> list[Word]:
    """Merge 一 with the verb on both sides of it (看一看), or with the word after it."""
    around: list[Word] = []
    index = 0
    while index < len(words):
        if words[index][0] == "一" and around and [around[-1]] == words[index + 1 : index + 2] and around[-1][1] == "v":
            verb = around[-1][0]
            around[-1] = (f"{verb}一{verb}", "v")
            index += 2
        else:
            around.append(words[index])
            index += 1
    return _merge(around, lambda before, _: before == "一")


def _merge_doubled(words: Sequence[Word]) -> list[Word]:
    """Merge a word with an identical word before it."""
    return _merge(words, lambda before, word: word == before)


def _merge_er(words: Sequence[Word]) -> list[Word]:
    """Merge 儿 with the word before it; it remains a syllable."""
    return _merge(words, lambda _, word: word == "儿")


def _merge(words: Sequence[Word], together: Callable[[str, str], bool]) -> list[Word]:
    """Merge each word with the one before it, which keeps its tag, if ``together(before, word)``."""
    merged: list[Word] = []
    for word, tag in words:
        if merged and together(merged[-1][0], word):
            merged[-1] = (merged[-1][0] + word, merged[-1][1])
        else:
            merged.append((word, tag))
    return merged


def _change_bu(word: str, finals: Finals) -> None:
    """不 has neutral tone inside a word (看不懂), and second tone before a fourth (不怕)."""
    if len(word) == 3 and word[1] == "不":
        _set(finals, 1, "5")
        return
    for index, char in enumerate(word[:-1]):
        if char == "不" and finals[index + 1].endswith("4"):
            _set(finals, index, "2")


def _change_yi(word: str, finals: Finals) -> None:
    """一 keeps its tone in numbers and at the end, is neutral in 看一看, second before a fourth tone, else fourth."""
    if all(char.isnumeric() for char in word):
        return
    if len(word) == 3 and word[1] == "一" and word[0] == word[2]:
        _set(finals, 1, "5")
    elif word.startswith("第一"):
        _set(finals, 1, "1")
    else:
        for index, char in enumerate(word[:-1]):
            if char != "一":
                continue
            if finals[index + 1].endswith("4"):
                _set(finals, index, "2")
            elif word[index + 1] not in _PUNCTUATION:
                _set(finals, index, "4")


def _set(finals: Finals, index: int, tone: str) -> None:
    finals[index] = finals[index][:-1] + tone


def _third(final: str) -> bool:
    return final.endswith("3")


def _all_third(finals: Sequence[str]) -> bool:
    return all(map(_third, finals))


def _doubled(word: str) -> bool:
    return len(word) == 2 and word[0] == word[1]
