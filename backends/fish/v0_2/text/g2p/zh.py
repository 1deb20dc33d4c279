"""Mandarin phones: number normalization, word segmentation, tone sandhi, initials and finals.

The steps are those of Fish-Speech v0.2.0 ``fish_speech/text/chinese.py``. If WeTextProcessing is installed, it
normalizes numbers, converts traditional characters to simplified ones and drops interjections; otherwise cn2an
normalizes numbers, as in the last revision of 0.2.
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
import re
from collections.abc import Callable
from functools import lru_cache

from backends.errors import InvalidJob, LoadError
from backends.fish.v0_2.text.g2p.packages import optional
from backends.fish.v0_2.text.g2p.pinyin import split_syllable
from backends.fish.v0_2.text.g2p.sandhi import ToneSandhi, Word
from backends.fish.v0_2.text.symbols import PUNCTUATION

EXTRA = "fish-zh"
LONGEST_NUMBER = 16  # digits; the limit of cn2an, whose time is quadratic in their number

_LONG_NUMBER = re.compile(rf"\d{{{LONGEST_NUMBER + 1},}}", re.ASCII)
_DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")
_SAME_SOUND = str.maketrans("嗯呣", "恩母")  # interjections for which pypinyin has no final
_MARKS = re.escape("".join(PUNCTUATION))
_UNREAD = re.compile(f"[^\u4e00-\u9fa5{_MARKS}]+")
_CLAUSE_END = re.compile(f"(?<=[{_MARKS}])")

Normalize = Callable[[str], str]


class Chinese:
    """Converts clean text; drops characters other than ideographs, digits and punctuation."""

    def __init__(self) -> None:
        self._tools: _Tools | None = None

    def warm_up(self) -> None:
        """Load the dictionaries: some 200 MB, 2 s.

        :raises LoadError: if a package is missing.
        """
        self._tools = self._tools or _Tools()

    def __call__(self, text: str) -> list[str]:
        """Return the phones of a text, two per syllable.

        :raises InvalidJob: if a character's pronunciation is unknown.
        :raises LoadError: if a package is missing.
        """
        self.warm_up()
        assert self._tools is not None  # noqa: S101 - warm_up sets it
        return self._tools.phones(text)


class _Tools:
    """The loaded packages."""

    def __init__(self) -> None:
        self._normalize = _wetext() or _cn2an()
        jieba = optional("jieba", "jieba", EXTRA)
        segmenter = optional("jieba.posseg", "jieba", EXTRA).dt
        tokenizer = segmenter.tokenizer
        if not tokenizer.initialized:
            # jieba would cache the dictionary as code objects under a fixed name in a folder that all users share.
            tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
            tokenizer.initialized = True
        pinyin = optional("pypinyin", "pypinyin", EXTRA)
        known = optional("jieba.posseg.char_state_tab", "jieba", EXTRA).P
        rare = f"[^{''.join(map(re.escape, known))}{_MARKS}]"
        self._between_rare = re.compile(f"(?<={rare})(?={rare})")
        self._cut = segmenter.lcut

        @lru_cache(maxsize=16384)
        def read(word: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
            styles = (pinyin.Style.INITIALS, pinyin.Style.FINALS_TONE3)
            initials, finals = (pinyin.lazy_pinyin(word, style, neutral_tone_with_five=True) for style in styles)
            return tuple(initials), tuple(finals)

        self._read = read
        self._sandhi = ToneSandhi(lambda word: read(word)[1], lambda word: list(jieba.cut_for_search(word)))

    def phones(self, text: str) -> list[str]:
        text = self._normalize(_LONG_NUMBER.sub(_spell_digits, text)).translate(_SAME_SOUND)
        text = _UNREAD.sub("", text.translate(_DIGITS))
        return list(itertools.chain.from_iterable(map(self._clause, _CLAUSE_END.split(text))))

    def _clause(self, clause: str) -> list[str]:
        phones: list[str] = []
        for word, tag in self._sandhi.merge(self._words(clause)):
            initials, finals = self._read(word)
            for char, initial, final in zip(word, initials, self._sandhi.change(word, tag, finals), strict=True):
                if char in PUNCTUATION:
                    phones.append(char)
                    continue
                syllable = split_syllable(initial, final)
                if syllable is None:
                    raise InvalidJob(f"contains {char!r}, whose pronunciation is unknown", param="text")
                phones += syllable
        return phones

    def _words(self, clause: str) -> list[Word]:
        """Segment a clause into words with their parts of speech.

        Consecutive characters that jieba's statistics do not contain are separated: each pair would take it 17 ms.
        """
        return [(pair.word, pair.flag) for part in self._between_rare.split(clause) for pair in self._cut(part)]


def _spell_digits(match: re.Match[str]) -> str:
    return match.group().translate(_DIGITS)


def _wetext() -> Normalize | None:
    """WeTextProcessing's normalizer; None if it is not installed."""
    if importlib.util.find_spec("tn") is None:
        return None
    try:
        module = optional("tn.chinese.normalizer", "WeTextProcessing", EXTRA)
    except LoadError:  # another package of that name
        return None
    logging.getLogger("wetext").setLevel(logging.WARNING)
    normalize: Normalize = module.Normalizer().normalize
    return normalize


def _cn2an() -> Normalize:
    transform = optional("cn2an", "cn2an", EXTRA).transform

    def normalize(text: str) -> str:
        transformed: str = transform(text, "an2cn")
        return transformed

    return normalize
