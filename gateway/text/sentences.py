"""Where sentences end, in any script, and what in them cannot be said: addresses, pictographs, gaps."""

from __future__ import annotations

import re
from collections.abc import Sequence

GAP = "\x00"  # stands where something was left out, until :func:`tidy`

_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_CJK_OR_ITS_MARKS = re.compile(
    "[\u1100-\u11ff\u2e80-\u303e\u3040-\u31ff\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffee\U00020000-\U0003ffff]"
)
_WORD = re.compile("[^\\W\\d_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_ENDS = frozenset(".!?…:;,。！？．｡：；，、؟۔؛،।॥။។—–")
_CLOSERS = "\"'”’»›)]}」』】）》〉］｝*_ \t\n"
_CLINGS = frozenset(".!?…:;,。！？．：；，、)]}」』】）》〉”’»%")  # has no space before it

# Addresses are ASCII, which tells where they end in scripts without spaces.
_ADDRESS = re.compile(r"""(?<![\w@])(?:(?:https?|ftp)://|www\.)[!#-;=?-_a-z{|}~]+""", re.IGNORECASE | re.ASCII)
_AFTER_ADDRESS = ".,:;!?*_~)]}|"

_PICTOGRAPH = (
    "(?:"
    "[\U0001f000-\U0001faff\u2600-\u266c\u2670-\u2775\u2794-\u27bf\u2b00-\u2bff\u231a\u231b\u2328\u23cf\u23e9-\u23fa]"
    "|[\u2190-\u23ff\u24c2\u25a0-\u25ff\u2934\u2935\u3030\u303d\u3297\u3299\u2139](?=\ufe0f)"  # shown as a picture
    "|[0-9#*]\ufe0f?\u20e3"  # keycaps
    ")[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\u200d\u20e3\U000e0020-\U000e007f]*"  # colour of skin, parts, tags of flags
)
_PICTOGRAPHS = re.compile(f"(?:{_PICTOGRAPH})+")
_BLANKS = re.compile(f"[ \t{GAP}]+")


def is_cjk(char: str) -> bool:
    """Whether a character belongs to Chinese, Japanese or Korean, be it a letter or a punctuation mark."""
    return _CJK_OR_ITS_MARKS.match(char) is not None


def is_chinese_or_japanese(text: str) -> bool:
    """Whether most of a text is, so that it takes full-width punctuation; names in Latin letters count as words."""
    return len(_CJK.findall(text)) > len(_WORD.findall(text))


def sentence(text: str) -> str:
    """A text that ends like a sentence, or at least a clause."""
    text = text.rstrip()
    core = text.rstrip(_CLOSERS)
    if not core or core[-1] in _ENDS or not any(map(str.isalnum, text)):
        return text
    return text + ("。" if is_chinese_or_japanese(text) else ".")


def named_cells(names: Sequence[str], cells: Sequence[str]) -> str:
    """A row of a table as a sentence: each cell behind its column's name."""
    full_width = is_chinese_or_japanese(" ".join((*names, *cells)))
    colon, comma = ("：", "，") if full_width else (": ", ", ")
    named = []
    for number, cell in enumerate(cells):
        if not cell:
            continue
        name = names[number].rstrip(":：") if number < len(names) else ""
        named.append(f"{name}{colon}{cell}" if name else cell)
    return sentence(comma.join([cell.rstrip(".。,，;；") for cell in named[:-1]] + named[-1:]))


def without_addresses(text: str) -> str:
    """A text with the host's name instead of each web address."""
    return _ADDRESS.sub(_host, text)


def without_pictographs(text: str) -> str:
    """A text with gaps instead of emoji and other pictographs; ©, ®, ™ and arrows are none."""
    return _PICTOGRAPHS.sub(GAP, text).replace("\ufe0f", "").replace("\ufe0e", "")


def tidy(text: str) -> str:
    """A text without gaps, and with one space where there were several."""
    return "\n".join(_BLANKS.sub(_space, line).strip() for line in text.split("\n"))


def _host(match: re.Match[str]) -> str:
    address = match[0].rstrip(_AFTER_ADDRESS)
    behind = match[0][len(address) :]
    if behind.startswith(")") and address.count("(") > address.count(")"):
        behind = behind[1:]
    authority = re.split("[/?#]", address.partition("://")[2] or address, maxsplit=1)[0]
    host = authority.rpartition("@")[2].lower().removeprefix("www.")
    host = re.sub(r":\d*$", "", host)
    return (host if re.fullmatch(r"[\w.-]*\w", host) else "link") + behind


def _space(match: re.Match[str]) -> str:
    """What stays of a run of spaces and gaps."""
    line, run = match.string, match[0]
    before, after = line[match.start() - 1 : match.start()], line[match.end() : match.end() + 1]
    if not before or not after:
        return ""
    if GAP not in run:
        return " "
    if after in _CLINGS:
        return ""
    return " " if run != GAP * len(run) or (before.isalnum() and after.isalnum() and not is_cjk(before + after)) else ""
