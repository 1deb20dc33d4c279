"""Rules that languages share: addresses, file names, versions and emoji.

Their patterns are the same in every language; the words for signs are the language's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from gateway.text.normalize.rules import Rule


@dataclass(frozen=True, slots=True)
class AddressWords:
    """A language's words for the signs in addresses, file names and versions.

    :param number: reads ASCII digits, e.g. a port, or a number in a name.
    :param point: between the numbers of a version.
    :param version: for ``v`` before a number.
    :param gap: between words; empty for Chinese and Japanese.
    """

    dot: str
    slash: str
    backslash: str
    colon: str
    at: str
    dash: str
    underscore: str
    plus: str
    tilde: str
    hashtag: str
    point: str
    version: str
    number: Callable[[str], str]
    gap: str = " "

    def sign(self, char: str) -> str:
        """The word for a sign; other characters have none."""
        return {
            ".": self.dot,
            "/": self.slash,
            "\\": self.backslash,
            ":": self.colon,
            "@": self.at,
            "-": self.dash,
            "_": self.underscore,
            "+": self.plus,
            "~": self.tilde,
            "#": self.hashtag,
        }.get(char, "")


DIGITS = "0123456789"


def spaced(
    category: str, pattern: re.Pattern[str], read: Callable[[re.Match[str]], str | None], needs: str = ""
) -> Rule:
    """A rule whose words get a space where they would touch a letter, a digit or another sign's words.

    Of two adjacent edits one adds the space: the right one before a sign, and before a digit that follows a letter or a
    digit; else the left one.
    """

    def read_spaced(match: re.Match[str]) -> str | None:
        words = read(match)
        return words and apart(match.string, match.start(), match.end(), words)

    return Rule(category, pattern, read_spaced, frozenset(needs))


_NO_SPACE_AFTER = " \t\n\r\xa0([{'\"‘“«¿¡-–—"


def apart(text: str, start: int, end: int, words: str) -> str:
    """Words that replace ``text[start:end]``, with spaces where they would touch others; see :func:`spaced`."""
    before, after = text[start - 1 : start], text[end : end + 1]
    first, last = text[start], text[end - 1]
    if first.isspace():
        words = first + words
    elif first.isalnum():
        if before.isalpha() or (before.isalnum() and not first.isalpha()):
            words = " " + words
    elif before and before not in _NO_SPACE_AFTER:
        words = " " + words
    if last.isspace():
        return words + last
    return words + " " if after.isalpha() or (after.isalnum() and not last.isalnum()) else words


def address_rules(words: AddressWords) -> tuple[Rule, ...]:
    """Rules for URLs, e-mail and IP addresses, paths, file names, @names, #hashtags and versions."""
    return (
        spaced("address", _EMAIL, lambda match: _spell(match[0], words), "@"),
        spaced("address", _URL, lambda match: _read_url(match, words), ".:"),
        spaced("address", _IP, lambda match: _spell(match[0], words), DIGITS),
        spaced("address", _HOST, lambda match: _read_url(match, words), ".:"),
        spaced("address", _PATH, lambda match: _spell(match[0], words), "/\\"),
        spaced("address", _FILE, lambda match: _spell(match[0], words), "."),
        spaced("address", _HANDLE, lambda match: _spell(match[0], words), "@"),
        spaced("address", _HASHTAG, lambda match: _spell(_CAMEL_CASE.sub(" ", match[0]), words), "#"),
        spaced("code", _VERSION, lambda match: _read_version(match, words), DIGITS),
    )


# Top-level domains that are not English words or file name extensions; the country codes that people write.
_TLD = (
    "(?:com|org|net|edu|gov|mil|int|info|biz|dev|app|io|ai|me|tv|co|ly|gg|fm|eu|xyz|online|shop|blog|cloud|tech|store"
    "|(?:co|com|ac|org|gov)\\.(?:uk|jp|kr|nz|za|in|au|br|cn)|uk|us|ca|de|fr|es|nl|ch|be|jp|cn|ru|br|au|nz|kr|pl|se|dk|cz)"
)
_DOMAIN = rf"(?:[a-z0-9][a-z0-9-]{{0,62}}\.){{1,8}}{_TLD}"
_PORT_AND_PATH = r"(?::\d{1,5}(?!\d))?(?:[/?#][^\s<>\"'`{}|\\^\u3000-\u9fff\uff00-\uffef]{0,2000})?"
_EMAIL = re.compile(
    r"(?<![\w.+-])(?:mailto:)?[\w.+%-]{1,64}@(?:[a-z0-9][a-z0-9-]{0,62}\.){1,8}[a-z]{2,24}\b(?!@)",
    re.IGNORECASE | re.ASCII,
)
_URL = re.compile(
    rf"(?:https?|ftp|wss?)://(?:[^\s/@]{{1,64}}@)?(?P<host>[\w.-]{{1,255}}){_PORT_AND_PATH}"
    rf"|\bwww\.(?P<www>[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}}){_PORT_AND_PATH}",
    re.IGNORECASE | re.ASCII,
)
_HOST = re.compile(
    rf"(?<![\w@.-])(?P<host>{_DOMAIN}|localhost(?=:\d)){_PORT_AND_PATH}(?![\w@])", re.IGNORECASE | re.ASCII
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IP = re.compile(rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?:/\d{{1,2}}|:\d{{1,5}})?(?!\w|\.\d)", re.ASCII)
_CJK = r"\u3040-\u30ff\u3400-\u9fff"  # not part of a file name, because no space is before the name
_NAME = rf"(?:[^\W{_CJK}]|[+-]){{1,80}}"
_PATH = re.compile(
    r"(?<![\w/.:~*)])(?:~|\.{1,2})?/(?=[A-Za-z._]\w)[\w.+-]{1,80}(?:/[\w.+-]{1,80}){0,20}/?(?<![.])"
    r"|\b[A-Z]:\\(?:[\w.+-]{1,80}\\?){0,20}(?<![.])",
)
_EXTENSION = (
    "(?:pdf|docx?|xlsx?|pptx?|txt|md|rst|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|conf|xml|html?|css|jsx?|tsx?|mjs|py|ipynb"
    "|rb|rs|go|java|kt|swift|cpp|cc|hpp|cs|php|sh|bash|bat|exe|dll|so|zip|tar\\.gz|tar|gz|bz2|7z|rar|jpe?g|png|gif|svg"
    "|webp|mp[34]|wav|flac|ogg|opus|m4a|avi|mov|mkv|webm|log|sql|db|lock|env|safetensors|onnx|srt|vtt|epub|iso|apk|dmg)"
)
_FILE = re.compile(
    rf"(?<![^\W{_CJK}])(?<![.@/\\-])(?:{_NAME}[/\\]){{0,20}}{_NAME}(?:\.{_NAME}){{0,5}}\.{_EXTENSION}(?![^\W{_CJK}]|\.\w)",
    re.I,
)
_HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z]\w{0,30}(?:\.\w{1,30}){0,3}", re.ASCII)
_HASHTAG = re.compile(r"(?<![\w#&/])#(?=\d{0,10}[^\W\d])(?!\d{1,5}[A-Za-z]?(?!\w))\w{2,60}(?!\w|-\d)")
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_")
_VERSION = re.compile(
    r"(?<![\w.])(?:(?P<v>[vV])\.?(?P<first>\d{1,6}(?:\.\d{1,6}){0,5})|(?P<long>\d{1,6}(?:\.\d{1,6}){2,5}))"
    r"(?:-?(?P<suffix>alpha|beta|rc|dev|post|a|b)\.?(?P<suffix_number>\d{0,4}))?(?!\w|\.\d)",
    re.ASCII,
)
_PART = re.compile(r"[0-9]+|[^\W\d_]+|.", re.DOTALL)
_PATH_WORD_SIGNS = re.compile(r"[^\w./~+@]|_")


def _spell(written: str, words: AddressWords) -> str:
    """Words, numbers and the names of signs; other characters are left out."""
    parts = (
        words.number(part) if part[0] in "0123456789" else _as_letters(part) if part.isalpha() else words.sign(part)
        for part in _PART.findall(written.removeprefix("mailto:"))
    )
    return words.gap.join(filter(None, parts))


_WITHOUT_VOWEL = frozenset("bcdfghjklmnpqrstvwxz")
_ABBREVIATIONS = frozenset(
    ["ai", "au", "io", "eu", "uk", "us", "ca", "de", "es", "fr", "ch", "py", "yml", "yaml", "xyz", "tv"]
)


def _as_letters(word: str) -> str:
    """Capitals for a short name that is not a word, which is spoken letter by letter."""
    if word in _ABBREVIATIONS or (word.islower() and 2 <= len(word) <= 4 and _WITHOUT_VOWEL.issuperset(word)):
        return word.upper()
    return word


_AFTER_URL = ".,;:!?)]*_~…'\""


def _read_url(match: re.Match[str], words: AddressWords) -> str:
    """The host and the path; the scheme, ``www``, the query, the fragment and identifiers are not read."""
    written = match[0].rstrip(_AFTER_URL)
    if "(" in written and len(written) < len(match[0]) and match[0][len(written)] == ")":
        written += ")"
    rest = re.sub(r"^(?:\w{2,5}://)?(?:[^\s/@]*@)?(?:www\.)?", "", written, flags=re.IGNORECASE)
    address, _, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    read = [_spell(address, words)]
    for segment in path.split("/"):
        if (name := unquote(segment)) and not _is_identifier(name):
            read += [words.slash, _spell(_PATH_WORD_SIGNS.sub(" ", name), words)]
    tail = re.sub("[*_~]", "", match[0][len(written) :])
    return words.gap.join(filter(None, read)) + tail


def _is_identifier(name: str) -> bool:
    """Whether a part of a path is a hash or a random name."""
    return len(name) >= 11 and len(re.findall(r"\d(?=[A-Za-z])", name)) >= 2


def _read_version(match: re.Match[str], words: AddressWords) -> str:
    point = f"{words.gap}{words.point}{words.gap}"
    read = [
        words.version if match["v"] else "",
        point.join(words.number(number) for number in (match["first"] or match["long"]).split(".")),
        match["suffix"] or "",
        words.number(match["suffix_number"]) if match["suffix_number"] else "",
    ]
    return words.gap.join(filter(None, read))


# Pictographs, without ♭ ♮ ♯ (music) and the digits ❶-➓ of the same blocks.
_PICTOGRAPH = "[\U0001f000-\U0001f0ff\U0001f18e-\U0001f19a\U0001f1e6-\U0001f25f\U0001f260-\U0001faff"
_PICTOGRAPH += "☀-♬♰-❵➕-➗➰➿⌚⌛⌨⏏⏩-⏺▪▫▶◀◻-◾⬛⬜⭐⭕〰〽㊗㊙Ⓜ\U0001f170-\U0001f189]"
_SEQUENCE = (
    f"(?:{_PICTOGRAPH}|[0-9#*]\ufe0f?\u20e3|[©®™‼⁉ℹ↔-↪⤴⤵⬅-⬇]\ufe0f)[\ufe0e\ufe0f\u200d\u20e3\U000e0020-\U000e007f]*"
)
_EMOJI = re.compile(f"(?<![^\n])(?:{_SEQUENCE} ?)+|[ \t]{{0,2}}(?:{_SEQUENCE})+(?: +(?:{_SEQUENCE})+)*")
_EMOTICON = re.compile(
    r"(?:(?<![^\n])|[ \t])(?:[:;=][-'^o]?[)(DPpOo|/\\*\]\[3]|[xX]D|<3|\^_*\^|:'[()]|¯\\_\(ツ\)_/¯)(?=[\s.,!?]|$)"
)


def _drop(match: re.Match[str]) -> str:
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    return " " if before.isalnum() and after.isalnum() and not match[0][0].isspace() else ""


EMOJI_RULES = (Rule("emoji", _EMOJI, _drop), Rule("emoji", _EMOTICON, _drop))
"""Pictographs and emoticons, which are not spoken."""
