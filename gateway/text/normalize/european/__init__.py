"""Normalizers of languages whose numbers ``num2words`` reads, each built from the language's words.

A language without words of its own gets its numbers read and nothing else.
"""

from __future__ import annotations

from importlib import import_module

from gateway.text.normalize import numbers
from gateway.text.normalize.european.plain import PlainNumbers
from gateway.text.normalize.european.rules import DataLanguage
from gateway.text.normalize.rules import Language

_MODULES = {
    "ar": "arabic",
    "de": "german",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "it": "italian",
    "nl": "dutch",
    "pl": "polish",
    "pt": "portuguese",
    "ru": "russian",
}
_NUM2WORDS_NAMES = {"nb": "no", "nn": "no", "kk": "kz"}


def normalizer(language: str) -> Language | None:
    """Build a language's normalizer; None if its numbers cannot be read.

    :param language: BCP 47 primary subtag.
    """
    if name := _MODULES.get(language):
        return DataLanguage(import_module(f"{__name__}.{name}").WORDS)
    name = _NUM2WORDS_NAMES.get(language, language)
    return PlainNumbers(name) if numbers.is_supported(name) else None
