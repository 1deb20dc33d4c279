"""Grapheme-to-phoneme conversion for the prompts of Fish-Speech 0.2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from backends.errors import InvalidJob, LoadError
from backends.fish.v0_2.text.g2p.en import English
from backends.fish.v0_2.text.g2p.ja import Japanese
from backends.fish.v0_2.text.g2p.packages import Converter
from backends.fish.v0_2.text.g2p.zh import Chinese
from backends.fish.v0_2.text.languages import LanguageSpan, Order, split_languages
from backends.fish.v0_2.text.symbols import ALL_PHONES, MARKS, PAD, PHONES, SUBTAGS, token

CACHED_TEXTS = 512
MAX_CACHED_CHARS = 1000  # longer texts are rarely repeated

_SHOWN_CHARS = 40
_MARKS = frozenset(MARKS)
_LITERAL = frozenset((*ALL_PHONES, *MARKS, PAD))


@dataclass(frozen=True, slots=True)
class PhoneSpan:
    """Text in one language and its phones.

    :param language: one of ``symbols.LANGUAGES``; None for a literal phone.
    """

    language: str | None
    text: str
    phones: tuple[str, ...]


class Phonemizer:
    """Converts texts to phones.

    :param converters: by language, one of ``symbols.LANGUAGES``; None: all of them. They load their dictionaries on
        first use.
    """

    def __init__(self, converters: Mapping[str, Converter] | None = None):
        default: dict[str, Converter] = {"zh": Chinese(), "jp": Japanese(), "en": English()}
        self._converters = default if converters is None else dict(converters)
        self._cached = lru_cache(maxsize=CACHED_TEXTS)(self._spell)

    def warm_up(self, language: str) -> None:
        """Load the dictionaries of a language.

        :param language: one of ``symbols.LANGUAGES``.
        :raises LoadError: naming the missing package.
        """
        self._converters[language].warm_up()

    def __call__(self, text: str, order: Order) -> str:
        """Return a text as ``<p:n> <p:i3> , <p:h> …``: phones as tags, punctuation without.

        :param order: languages by preference; see ``languages.parse_order``.
        :raises InvalidJob: naming the text that cannot be read.
        """
        return self._cached(text, order) if len(text) <= MAX_CACHED_CHARS else self._spell(text, order)

    def spans(self, text: str, order: Order) -> list[PhoneSpan]:
        """Return the phones of each span of a text.

        :raises InvalidJob: naming the text that cannot be read.
        """
        return [PhoneSpan(span.language, span.text, self._convert(span)) for span in split_languages(text, order)]

    def _spell(self, text: str, order: Order) -> str:
        return " ".join(token(phone) for span in self.spans(text, order) for phone in span.phones)

    def _convert(self, span: LanguageSpan) -> tuple[str, ...]:
        if span.language is None:
            if span.text not in _LITERAL:
                raise InvalidJob(f"contains the unknown phone <p:{span.text}>", param="text")
            return (span.text,)
        converter = self._converters.get(span.language)
        if converter is None:
            raise InvalidJob(f"the language {span.language} is not available", param="text")
        try:
            phones = tuple(converter(span.text))
        except LoadError as error:
            raise InvalidJob(str(error), param="text", needs_languages=[SUBTAGS[span.language]]) from error
        unknown = next((phone for phone in phones if phone not in PHONES[span.language] and phone not in _MARKS), None)
        if unknown is not None:
            shown = span.text.strip()[:_SHOWN_CHARS]
            raise InvalidJob(f"the model has no phone {unknown!r}, which {shown!r} needs", param="text")
        return phones
