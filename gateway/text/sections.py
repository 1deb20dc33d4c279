"""A text to speak, divided into passages and pauses."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.text.mapped_text import Edit, MappedText
from gateway.text.normalize.scripts import languages_of


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of the text that is spoken by one job of the engine.

    :param voice: name of the voice; None: the request's.
    :param language: BCP 47 tag; None: the request's.
    :param speed: factor of the request's speed.
    :param gain_db: added to the request's volume.
    :param read_as: language in which the text stage has read the text where its script allows, as a primary subtag.
    """

    text: MappedText
    voice: str | None = None
    language: str | None = None
    speed: float = 1.0
    gain_db: float = 0.0
    read_as: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence.

    :param position: where it is in the input, in characters.
    """

    duration_s: float
    position: int


Section = Passage | Pause


@dataclass(frozen=True, slots=True)
class Change:
    """An edit in the input: a written part and its spoken form.

    :param start: start in the input, in characters.
    :param end: end in the input.
    :param spoken: empty: nothing.
    :param category: see :data:`gateway.text.normalize.CATEGORIES`, and ``cleanup``, ``lexicon`` and ``ssml``.
    """

    start: int
    end: int
    spoken: str
    category: str

    @classmethod
    def of(cls, edit: Edit, text: MappedText) -> Change:
        """Describe an edit of a text."""
        return cls(*text.span(edit.start, edit.end), edit.spoken, edit.category)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A character that the engine cannot speak.

    :param position: in the input, in characters from 0.
    """

    char: str
    position: int


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text as it will be spoken.

    :param sections: in order; adjacent passages differ in voice or prosody, or a pause is between them.
    :param changes: all edits, in the order of the input.
    :param ignored: parts of SSML that have no effect, e.g. ``emphasis``.
    :param refused: the first characters that the engine cannot speak.
    """

    sections: tuple[Section, ...]
    changes: tuple[Change, ...] = ()
    ignored: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()

    @property
    def passages(self) -> list[Passage]:
        """The sections that are spoken."""
        return [section for section in self.sections if isinstance(section, Passage)]

    @property
    def languages(self) -> list[str]:
        """Languages that the text is read in, as BCP 47 primary subtags, the most text first."""
        return languages_of((passage.text.text, passage.read_as) for passage in self.passages)

    @property
    def spoken_text(self) -> str:
        """The spoken text as a string; passages are separated by spaces."""
        return " ".join(passage.text.text.strip() for passage in self.passages)
