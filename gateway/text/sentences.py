"""Sentence endings in any script, and removal of unspeakable text: web addresses and pictographs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backends.text import CLOSING_MARKS, END_MARKS

GAP = "\x00"  # marks dropped text until :func:`tidy`

_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_CJK_OR_ITS_MARKS = re.compile(
    "[\u1100-\u11ff\u2e80-\u303e\u3040-\u31ff\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffee\U00020000-\U0003ffff]"
)
_WORD = re.compile("[^\\W\\d_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_NO_SPACE_BEFORE = frozenset(".!?…:;,。！？．：；，、)]}」』】）》〉”’»%")

# Web addresses are ASCII, which marks their end in scripts without spaces.
_ADDRESS = re.compile(r"""(?<![\w@])(?:(?:https?|ftp)://|www\.)[!#-;=?-_a-z{|}~]+""", re.IGNORECASE | re.ASCII)
_AFTER_ADDRESS = ".,:;!?*_~)]}|"

_PICTOGRAPH = (
    "(?:"
    "[\U0001f000-\U0001faff\u2600-\u266c\u2670-\u2775\u2794-\u27bf\u2b00-\u2bff\u231a\u231b\u2328\u23cf\u23e9-\u23fa]"
    "|[\u2190-\u23ff\u24c2\u25a0-\u25ff\u2934\u2935\u3030\u303d\u3297\u3299\u2139](?=\ufe0f)"  # shown as a picture
    "|[0-9#*]\ufe0f?\u20e3"  # keycaps
    ")[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\u200d\u20e3\U000e0020-\U000e007f]*"  # skin tones, joined parts, tags of flags
)
_PICTOGRAPHS = re.compile(f"(?:{_PICTOGRAPH})+")
_BLANKS = re.compile(f"[ \t{GAP}]+")


def is_cjk(char: str) -> bool:
    """Whether a character is a Chinese, Japanese or Korean letter or punctuation mark."""
    return _CJK_OR_ITS_MARKS.match(char) is not None


def is_chinese_or_japanese(text: str) -> bool:
    """Whether most of a text is Chinese or Japanese, and so has full-width punctuation; a Latin word counts as one."""
    return len(_CJK.findall(text)) > len(_WORD.findall(text))


def as_sentence(text: str) -> str:
    """The text with a full stop appended unless it ends a sentence or clause already."""
    text = text.rstrip()
    core = text.rstrip(CLOSING_MARKS + "*_ \t\n")
    if not core or core[-1] in END_MARKS + "．" or not any(map(str.isalnum, text)):
        return text
    return text + ("。" if is_chinese_or_japanese(text) else ".")


def table_row(names: Sequence[str], cells: Sequence[str]) -> str:
    """A table row as a sentence: each cell after its column's name."""
    full_width = is_chinese_or_japanese(" ".join((*names, *cells)))
    colon, comma = ("：", "，") if full_width else (": ", ", ")
    named = []
    for number, cell in enumerate(cells):
        if not cell:
            continue
        name = names[number].rstrip(":：") if number < len(names) else ""
        named.append(f"{name}{colon}{cell}" if name else cell)
    return as_sentence(comma.join([cell.rstrip(".。,，;；") for cell in named[:-1]] + named[-1:]))


def without_addresses(text: str) -> str:
    """Replace each web address by its host name."""
    return _ADDRESS.sub(_host, text)


def without_pictographs(text: str) -> str:
    """Replace emoji and other pictographs by gaps; ©, ®, ™ and arrows are kept."""
    return _PICTOGRAPHS.sub(GAP, text).replace("\ufe0f", "").replace("\ufe0e", "")


def tidy(text: str) -> str:
    """Remove gaps and collapse spaces."""
    return "\n".join(_BLANKS.sub(_space, line).strip() for line in text.split("\n"))


def _host(match: re.Match[str]) -> str:
    address = match[0].rstrip(_AFTER_ADDRESS)
    trailing = match[0][len(address) :]
    if trailing.startswith(")") and address.count("(") > address.count(")"):
        trailing = trailing[1:]
    authority = re.split("[/?#]", address.partition("://")[2] or address, maxsplit=1)[0]
    host = authority.rpartition("@")[2].lower().removeprefix("www.")
    host = re.sub(r":\d*$", "", host)
    return (host if re.fullmatch(r"[\w.-]*\w", host) else "link") + trailing


def _space(match: re.Match[str]) -> str:
    """The replacement of a run of spaces and gaps."""
    line, run = match.string, match[0]
    before, after = line[match.start() - 1 : match.start()], line[match.end() : match.end() + 1]
    if not before or not after:
        return ""
    if GAP not in run:
        return " "
    if after in _NO_SPACE_BEFORE:
        return ""
    return " " if run != GAP * len(run) or (before.isalnum() and after.isalnum() and not is_cjk(before + after)) else ""
