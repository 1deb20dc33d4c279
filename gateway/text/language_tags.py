"""Languages as clients write them (``en_US``, ``English``, ``Deutsch``, ``auto``), normalized to BCP 47 tags."""

from __future__ import annotations

import re
import unicodedata

_NOT_GIVEN = frozenset({"", "auto", "detect", "auto detect", "autodetect", "automatic", "default", "none", "null"})

# By primary subtag: ISO 639-2 and 639-3 codes, codes that clients use by mistake, names in English and in the language.
_LANGUAGES = {
    "ar": "ara|arb|Arabic|العربية",
    "bg": "bul|Bulgarian|български",
    "bn": "ben|Bengali|Bangla|বাংলা",
    "ca": "cat|Catalan|català",
    "cs": "ces|cze|Czech|čeština|česky",
    "da": "dan|Danish|dansk",
    "de": "deu|ger|German|Deutsch",
    "el": "ell|gre|Greek|ελληνικά",
    "en": "eng|English",
    "es": "spa|Spanish|Castilian|español|castellano",
    "et": "est|Estonian|eesti",
    "fa": "fas|per|pes|Persian|Farsi|فارسی",
    "fi": "fin|Finnish|suomi",
    "fil": "Filipino",
    "fr": "fra|fre|French|français|francais",
    "he": "heb|iw|Hebrew|עברית",
    "hi": "hin|Hindi|हिन्दी|हिंदी",
    "hr": "hrv|Croatian|hrvatski",
    "hu": "hun|Hungarian|magyar",
    "id": "ind|in|Indonesian|Bahasa Indonesia",
    "it": "ita|Italian|italiano",
    "ja": "jpn|jp|Japanese|日本語|日本语",
    "ko": "kor|Korean|한국어|조선말",
    "lt": "lit|Lithuanian|lietuvių",
    "lv": "lav|lvs|Latvian|latviešu",
    "ms": "msa|may|zsm|Malay|Bahasa Melayu",
    "nl": "nld|dut|Dutch|Flemish|Nederlands",
    "no": "nor|Norwegian|norsk",
    "pl": "pol|Polish|polski",
    "pt": "por|Portuguese|português|portugues",
    "ro": "ron|rum|Romanian|română",
    "ru": "rus|Russian|русский",
    "sk": "slk|slo|Slovak|slovenčina",
    "sl": "slv|Slovenian|Slovene|slovenščina",
    "sr": "srp|Serbian|српски|srpski",
    "sv": "swe|Swedish|svenska",
    "sw": "swa|swh|Swahili|Kiswahili",
    "ta": "tam|Tamil|தமிழ்",
    "te": "tel|Telugu|తెలుగు",
    "th": "tha|Thai|ไทย|ภาษาไทย",
    "tr": "tur|Turkish|Türkçe|turkce",
    "uk": "ukr|Ukrainian|українська",
    "ur": "urd|Urdu|اردو",
    "vi": "vie|Vietnamese|Tiếng Việt",
    "yue": "Cantonese|粵語|粤语|廣東話|广东话",
    "zh": "zho|chi|cmn|cn|Chinese|Mandarin|Mandarin Chinese|中文|汉语|漢語|华语|華語|国语|國語|普通话|普通話",
    "zh-Hans": "Simplified Chinese|简体中文|簡體中文",
    "zh-Hant": "Traditional Chinese|繁體中文|繁体中文",
    "en-US": "American English|US English",
    "en-GB": "British English|UK English",
    "pt-BR": "Brazilian Portuguese|português brasileiro",
}
_EXTENDED = {"zh": ("cmn", "yue"), "ar": ("arb",)}  # zh-cmn and zh-yue, which are tags too

_MAX_CHARS = 64
_QUALIFIER = re.compile(r"[(,;.@]")  # Chinese (Mandarin); en_US.UTF-8
_PRIMARY = re.compile(r"[a-z]{2,3}")
_SUBTAG = re.compile(r"[a-z0-9]{1,8}")


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


_TAGS = {_key(name): tag for tag, names in _LANGUAGES.items() for name in names.split("|")}


def language_tag(name: str) -> str | None:
    """Return the BCP 47 tag of a language, or None for ``auto`` and an empty name.

    Accepted in any case are tags, also with ``_`` or with a code of three letters; names of common languages in English
    and in the language itself; and either with an addition, which is dropped, as in ``Chinese (Mandarin)``.

    :raises ValueError: if it is none of these.
    """
    key = _key(name[: _MAX_CHARS + 1]).strip().replace("_", "-")
    if key.replace("-", " ") in _NOT_GIVEN:
        return None
    if len(name) <= _MAX_CHARS:
        key = _QUALIFIER.split(key, maxsplit=1)[0].strip()
        if tag := _TAGS.get(key) or _TAGS.get(key.replace("-", " ")) or _canonical(key):
            return tag
    raise ValueError(
        f"unknown language {name[:40]!r}: must be a BCP 47 tag such as en, zh-CN or pt-BR, a name such as English or "
        "Deutsch, or auto"
    )


def _canonical(key: str) -> str | None:
    """A tag in its usual case, with the shortest code of the language; None if the form is invalid."""
    primary, *rest = key.split("-")
    primary = _TAGS.get(primary, primary)
    if not (_PRIMARY.fullmatch(primary) and all(map(_SUBTAG.fullmatch, rest))):
        return None
    if rest and rest[0] in _EXTENDED.get(primary, ()):
        primary, *rest = _TAGS.get(rest[0], rest[0]), *rest[1:]
    cased = [
        part.upper() if len(part) == 2 else part.title() if len(part) == 4 and part.isalpha() else part for part in rest
    ]
    return "-".join([primary, *cased])
