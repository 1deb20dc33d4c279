"""Text as Fish-Speech 0.2 sees it: few punctuation marks, and no characters its languages do not use.

Source: Fish-Speech v0.2.0 ``fish_speech/text/parser.py``, ``clean_text``.
"""

from __future__ import annotations

import re

_COMMA, _STOP, _QUOTE, _DASH = "：；，·、;:", "。\n$", "“”‘’（）()《》【】[]「」", "—～~・"
_MARKS = str.maketrans(
    {
        **dict.fromkeys(_COMMA, ","),
        **dict.fromkeys(_STOP, "."),
        **dict.fromkeys(_QUOTE, "'"),
        **dict.fromkeys(_DASH, "-"),
        "！": "!",
        "？": "?",
    }
)
# ASCII, hiragana and katakana, katakana's phonetic extensions, unified ideographs. There is no place for "…", whose
# phone the model knows: the original drops it as well.
_FOREIGN = re.compile("[^\x00-\x7f\u3040-\u30ff\u31f0-\u31ff\u4e00-\u9fff]+")
_PHONE_END = re.compile("([>\n])")  # a phone's markup ends at ">", on its own line
_PHONE_START = "<p:"
_ELLIPSIS = "..."


def clean_text(text: str) -> str:
    """Map punctuation to ``! ? , . ' -`` and drop every character outside ASCII, kana and unified ideographs.

    Ellipses vanish, and so do accented and full-width letters. Markup like ``<p:i3>`` keeps its colon.
    """
    pieces = _PHONE_END.split(text.strip())
    kept = []
    for stretch, end in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        start = stretch.find(_PHONE_START) if end == ">" else -1
        if start < 0:
            kept.append(clean_stretch(stretch))
        else:
            kept += clean_stretch(stretch[:start]), _PHONE_START, clean_stretch(stretch[start + len(_PHONE_START) :])
        kept.append(clean_stretch(end))
    return "".join(kept)


def clean_stretch(text: str) -> str:
    """Clean text that has no markup, without stripping it."""
    return _FOREIGN.sub("", text.replace(_ELLIPSIS, "").translate(_MARKS))
