"""Text cleaning of Fish-Speech 0.2: seven punctuation marks, and only characters that its languages use.

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
# Everything but ASCII, hiragana and katakana, katakana's phonetic extensions and unified ideographs. "…" is removed
# although the model has a phone for it, as in the original.
_UNSUPPORTED = re.compile("[^\x00-\x7f\u3040-\u30ff\u31f0-\u31ff\u4e00-\u9fff]+")
_PHONE_END = re.compile("([>\n])")  # a phone's markup ends at ">", on its own line
_PHONE_START = "<p:"
_ELLIPSIS = "..."


def clean_text(text: str) -> str:
    """Map punctuation to ``! ? , . ' -`` and remove characters other than ASCII, kana and unified ideographs.

    This removes ellipses, and accented and full-width letters. Markup such as ``<p:i3>`` keeps its colon.
    """
    parts = _PHONE_END.split(text.strip())
    cleaned = []
    for part, end in zip(parts[::2], [*parts[1::2], ""], strict=True):
        start = part.find(_PHONE_START) if end == ">" else -1
        if start < 0:
            cleaned.append(clean_plain(part))
        else:
            cleaned += clean_plain(part[:start]), _PHONE_START, clean_plain(part[start + len(_PHONE_START) :])
        cleaned.append(clean_plain(end))
    return "".join(cleaned)


def clean_plain(text: str) -> str:
    """Clean text that contains no markup; do not strip it."""
    return _UNSUPPORTED.sub("", text.replace(_ELLIPSIS, "").translate(_MARKS))
