"""The JSON forms of a pronunciation dictionary, in requests and in files."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_WORD_CHARS = 200
MAX_VOICES = 100

_Language = Annotated[str, Field(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length=64)]
_VoiceName = Annotated[str, Field(min_length=1, max_length=128)]


class LexiconDocument(BaseModel):
    """A pronunciation dictionary without its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: _Language | None = Field(None, description="BCP 47 tag; en-US applies to all English texts; null: to all")
    voices: list[_VoiceName] = Field(
        default_factory=list, max_length=MAX_VOICES, description="names of the voices that it applies to; empty: all"
    )
    entries: dict[str, str] = Field(
        description="respelling of each word or phrase; one without upper-case letters matches any case"
    )

    @field_validator("entries")
    @classmethod
    def _check_entries(cls, entries: dict[str, str]) -> dict[str, str]:
        """Normalize to NFC, with single spaces.

        :raises ValueError: names the first entry that is empty, too long or unspeakable.
        """
        found: dict[str, str] = {}
        for word, spoken in entries.items():
            clean_word, clean_spoken = _normalized(word), _normalized(spoken)
            if not clean_word:
                raise ValueError("a word is empty: must have at least one character")
            for text in (clean_word, clean_spoken):
                if len(text) > MAX_WORD_CHARS:
                    raise ValueError(f"{text[:40]!r}… has {len(text)} characters: the limit is {MAX_WORD_CHARS}")
                if bad := next(filter(_is_control, text), None):
                    raise ValueError(f"{text!r} has the control character {bad!a}: remove it")
            if not any(map(str.isalpha, clean_spoken)):
                raise ValueError(f"the respelling {spoken!r} of {word!r} has no letter: write it in words")
            if found.setdefault(clean_word, clean_spoken) != clean_spoken:
                raise ValueError(f"{clean_word!r} has two respellings: keep one")
        return found


class LexiconSummary(BaseModel):
    """A stored pronunciation dictionary without its entries."""

    name: str
    language: str | None = None
    voices: list[str] = Field(default_factory=list)
    size: int = Field(0, description="number of entries")
    default: bool = Field(description="whether it applies to requests that do not select any")
    error: str | None = Field(None, description="why its file cannot be used")


def _normalized(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _is_control(char: str) -> bool:
    """Whether a character can be neither spoken nor written to XML."""
    return unicodedata.category(char) in ("Cc", "Cs") or char in "\ufffe\uffff"
