"""The languages that have a normalizer, loaded when they are first used."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from gateway.text.normalize.rules import Language

_MODULES = {"en": "english", "zh": "chinese", "ja": "japanese"}


@cache
def language_for(language: str) -> Language | None:
    """Return a language's normalizer, or None if it has none.

    :param language: BCP 47 primary subtag.
    """
    if (name := _MODULES.get(language)) is None:
        from gateway.text.normalize.european import normalizer  # takes 50 ms

        return normalizer(language)
    found: Language = import_module(f"gateway.text.normalize.{name}").LANGUAGE
    return found
