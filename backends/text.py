"""What scripts a text is written in, so that an engine can refuse what it would silently drop."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from functools import lru_cache

from backends.errors import InvalidJob

# First word of a letter's Unicode name -> languages written with it (BCP 47 primary subtags). Scripts that serve
# a great many languages name the common ones: the list only picks engines to suggest.
SCRIPT_LANGUAGES: dict[str, tuple[str, ...]] = {
    "CJK": ("zh", "ja"),
    "HIRAGANA": ("ja",),
    "KATAKANA": ("ja",),
    "HANGUL": ("ko",),
    "BOPOMOFO": ("zh",),
    "CYRILLIC": ("ru", "uk", "bg"),
    "GREEK": ("el",),
    "ARABIC": ("ar", "fa", "ur"),
    "HEBREW": ("he",),
    "DEVANAGARI": ("hi", "mr", "ne"),
    "BENGALI": ("bn",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "THAI": ("th",),
    "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy",),
}

# First words that are no script of their own: 々 is IDEOGRAPHIC, ー (long vowel) KATAKANA-HIRAGANA.
_SAME_SCRIPT = {"IDEOGRAPHIC": "CJK", "KATAKANA-HIRAGANA": "KATAKANA"}


@lru_cache(maxsize=4096)
def script(char: str) -> str | None:
    """The script of a letter as the first word of its Unicode name (``LATIN``, ``CJK``); None for other characters.

    Styled letters (𝐀, ª, ʰ, Ａ) count as what they are compatible with.
    """
    plain = unicodedata.normalize("NFKC", char)[0]
    if not unicodedata.category(plain).startswith("L"):
        return None
    word = unicodedata.name(plain, "UNKNOWN").split(" ", 1)[0]
    return _SAME_SCRIPT.get(word, word)


def require_scripts(text: str, known: Collection[str], engine: str, symbols: Collection[str] = ()) -> None:
    """Refuse a text with letters of a script the engine does not know.

    :param known: script names as :func:`script` gives them, with ``LATIN`` for most European languages.
    :param symbols: scripts whose letters are known one at a time, as in formulas, but not as words.
    :raises InvalidJob: naming the first such letter, and the languages another engine would need, where they are
        known here.
    """
    scripts = [script(char) for char in text]
    for position, name in enumerate(scripts):
        if name is None or name in known:
            continue
        beside = (*scripts[max(0, position - 1) : position], *scripts[position + 1 : position + 2])
        if name in symbols and name not in beside:
            continue
        label = name if name == "CJK" else name.title()
        raise InvalidJob(
            f"{engine} cannot speak {text[position]!r} ({label} script, character {position + 1} of the text)",
            param="text",
            needs_languages=SCRIPT_LANGUAGES.get(name, ()),
        )


_CLAUSE_ENDS = (", ", "; ", ": ", "— ", " – ", "，", "、", "；", "：")


def split_at(text: str, start: int, end: int, max_chars: int) -> list[tuple[int, int]]:
    """Cut ``text[start:end]`` into spans of at most ``max_chars`` characters.

    Cuts fall after clause punctuation where there is some in the second half of a span, else at a space, else
    anywhere. Spans cover everything between ``start`` and ``end``, in order.
    """
    spans = []
    while end - start > max_chars:
        window = text[start : start + max_chars]
        cut = max(window.rfind(mark) + len(mark) for mark in _CLAUSE_ENDS)
        if cut <= max_chars // 2:
            cut = window.rfind(" ") + 1 or max_chars
        spans.append((start, start + cut))
        start += cut
    spans.append((start, end))
    return spans
