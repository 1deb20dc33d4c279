"""Text in phones, as Fish-Speech 0.2 is prompted with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from backends.errors import InvalidJob, LoadError
from backends.fish.v0_2.text.g2p.en import English
from backends.fish.v0_2.text.g2p.ja import Japanese
from backends.fish.v0_2.text.g2p.packages import Reader
from backends.fish.v0_2.text.g2p.zh import Chinese
from backends.fish.v0_2.text.languages import Order, Segment, segments
from backends.fish.v0_2.text.symbols import ALL_PHONES, MARKS, PAD, PHONES, SUBTAGS, token

CACHED_TEXTS = 512
CACHED_CHARS = 1000  # of one text; longer ones hardly come twice

_SHOWN_CHARS = 40
_MARKS = frozenset(MARKS)
_BY_HAND = frozenset((*ALL_PHONES, *MARKS, PAD))


@dataclass(frozen=True, slots=True)
class Spoken:
    """A stretch of text and its phones.

    :param language: one of ``symbols.LANGUAGES``; None for a phone given as such.
    """

    language: str | None
    text: str
    phones: tuple[str, ...]


class Phonemizer:
    """Spells texts in phones.

    :param readers: by language, one of ``symbols.LANGUAGES``; by default one for each, which load what they need at
        their first use.
    """

    def __init__(self, readers: Mapping[str, Reader] | None = None):
        own: dict[str, Reader] = {"zh": Chinese(), "jp": Japanese(), "en": English()}
        self._readers = own if readers is None else dict(readers)
        self._cached = lru_cache(maxsize=CACHED_TEXTS)(self._spell)

    def warm_up(self, language: str) -> None:
        """Load what reading a language needs.

        :param language: one of ``symbols.LANGUAGES``.
        :raises LoadError: naming the package that is missing.
        """
        self._readers[language].warm_up()

    def __call__(self, text: str, order: Order) -> str:
        """Spell a text as ``<p:n> <p:i3> , <p:h> …``: phones as tags, punctuation bare.

        :param order: languages, those preferred first; see ``segment.parse_order``.
        :raises InvalidJob: naming what cannot be read.
        """
        return self._cached(text, order) if len(text) <= CACHED_CHARS else self._spell(text, order)

    def spoken(self, text: str, order: Order) -> list[Spoken]:
        """The same, stretch by stretch, to be shown.

        :raises InvalidJob: naming what cannot be read.
        """
        return [Spoken(part.language, part.text, self._read(part)) for part in segments(text, order)]

    def _spell(self, text: str, order: Order) -> str:
        return " ".join(token(phone) for part in self.spoken(text, order) for phone in part.phones)

    def _read(self, part: Segment) -> tuple[str, ...]:
        if part.language is None:
            if part.text not in _BY_HAND:
                raise InvalidJob(f"the text has an unknown phone <p:{part.text}>", param="text")
            return (part.text,)
        reader = self._readers.get(part.language)
        if reader is None:
            raise InvalidJob(f"the language {part.language} is not loaded here", param="text")
        try:
            phones = tuple(reader(part.text))
        except LoadError as error:
            raise InvalidJob(str(error), param="text", needs_languages=[SUBTAGS[part.language]]) from error
        unknown = next((phone for phone in phones if phone not in PHONES[part.language] and phone not in _MARKS), None)
        if unknown is not None:
            shown = part.text.strip()[:_SHOWN_CHARS]
            raise InvalidJob(f"the model has no phone {unknown!r}, which is in {shown!r}", param="text")
        return phones
