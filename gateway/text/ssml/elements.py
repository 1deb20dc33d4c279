"""SSML elements: what each of them does to the spoken text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace

from backends.text import SPOKEN_PUNCTUATION
from gateway.errors import InvalidRequest
from gateway.text import pauses
from gateway.text.mapped_text import Edit, MappedText
from gateway.text.say_as import SILENT_KIND, read_say_as
from gateway.text.sections import Change, Passage, Section
from gateway.text.ssml import prosody


@dataclass(frozen=True, slots=True)
class _Element:
    """An element's attributes, beside those of XML.

    :param ignored: attributes that have no effect, as they are reported to users.
    :param has_effect: whether the element itself has one.
    """

    attributes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    has_effect: bool = True


_ELEMENTS = {
    "speak": _Element(("version",), ("onlangfailure", "startmark", "endmark")),
    "p": _Element(),
    "s": _Element(),
    "break": _Element(("time", "strength")),
    "sub": _Element(("alias",)),
    "say-as": _Element(("interpret-as", "format"), ("detail",)),
    "prosody": _Element(("rate", "volume"), ("pitch", "contour", "range", "duration")),
    "lang": _Element((), ("onlangfailure",)),
    "voice": _Element(
        ("name",), ("gender", "age", "variant", "languages", "required", "ordering", "onvoicefailure", "effect")
    ),
    "emphasis": _Element(("level",), has_effect=False),
    "phoneme": _Element(("alphabet", "ph", "type"), has_effect=False),
    "mark": _Element(("name",), has_effect=False),
}
_TEXT_ONLY = ("sub", "say-as")
_EXTENSIONS = {"amazon": "Amazon Polly", "mstts": "Azure AI Speech", "google": "Google Cloud Text-to-Speech"}
_XML_ATTRIBUTE = re.compile(r"xmlns|(?:xmlns|xml|xsi):.*", re.DOTALL)
_BREAKS = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.75, "x-strong": 1.0}
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,8}")
_WHITE_SPACE = re.compile(r"[ \t\r\n]{2,}|[\t\r\n]")
_SENTENCE_END = "\n\n"


class SectionBuilder:
    """A handler of SSML that divides its text into sections.

    :param language: BCP 47 primary subtag of the text where no element has a language.
    :ivar ignored: elements and attributes without effect.
    """

    def __init__(self, language: str):
        self.sections: list[Section] = []
        self.changes: list[Change] = []
        self.ignored: dict[str, None] = {}
        self._language = language
        self._limits = pauses.PauseLimits()
        # Open elements: name, attributes and the style of their text, as a passage without text.
        self._open: list[tuple[str, Mapping[str, str], Passage]] = []
        self._style = Passage(MappedText.of(""))
        self._parts: list[MappedText] = []  # of the current passage
        self._passage: Passage | None = None  # its style; None: nothing to speak yet
        self._content: list[MappedText] | None = None  # of an open element with text only

    def start(self, name: str, attributes: Mapping[str, str], position: int) -> None:
        """Open an element."""
        self._check_name(name)
        self._check_attributes(name, attributes)
        self._open.append((name, attributes, self._style))
        match name:
            case "p" | "s":
                self._append(MappedText.replacement(_SENTENCE_END, position, position))
            case "break":
                self._break(attributes, position)
            case "sub" | "say-as":
                _required(name, attributes, "alias" if name == "sub" else "interpret-as")
                self._content = []
            case "prosody":
                speed = self._style.speed * prosody.parse_rate(attributes.get("rate", "medium"))
                gain_db = self._style.gain_db + prosody.parse_volume(attributes.get("volume", "medium"))
                self._style = replace(
                    self._style,
                    speed=prosody.clamp(speed, prosody.MIN_SPEED, prosody.MAX_SPEED),
                    gain_db=prosody.clamp(gain_db, prosody.SILENT_DB, prosody.MAX_GAIN_DB),
                )
            case "lang":
                _required(name, attributes, "xml:lang")
            case "voice" if "name" in attributes or not attributes:
                self._append(MappedText.replacement(" ", position, position))  # words of two voices are not joined
                self._style = replace(self._style, voice=_required(name, attributes, "name"))
        if "xml:lang" in attributes:
            self._style = replace(self._style, language=_language(attributes["xml:lang"]))

    def end(self, name: str, position: int) -> None:
        """Close the current element."""
        _, attributes, style = self._open.pop()
        match name:
            case "p" | "s":
                self._append(MappedText.replacement(_SENTENCE_END, position, position))
            case "sub" | "say-as":
                content = MappedText.join(self._content or ())
                self._content = None
                start, end = content.span(0, len(content)) if len(content) else (position, position)
                self._replace(name, attributes, content, start, end)
            case "speak":
                self._end_passage()
        self._style = style

    def characters(self, text: MappedText) -> None:
        """Add text to the current element."""
        if self._content is not None:
            self._content.append(text)
        else:
            self._append(text)

    def _append(self, text: MappedText) -> None:
        """Add text to the current passage, or begin a new one. Punctuation stays with the text before it."""
        if _is_spoken(text.text):
            if self._passage is not None and self._passage != self._style:
                self._end_passage()
            self._passage = self._style
        self._parts.append(text)

    def _end_passage(self) -> None:
        text = MappedText.join(self._parts)
        runs = _WHITE_SPACE.finditer(text.text)
        # A single line end is white space, as everywhere in XML; an empty line separates paragraphs.
        text = text.apply([Edit(*run.span(), "\n" if run[0].count("\n") > 1 else " ", "ssml") for run in runs])
        self.sections += pauses.divide(replace(self._passage or self._style, text=text), self._limits)
        self._parts, self._passage = [], None

    def _break(self, attributes: Mapping[str, str], position: int) -> None:
        written = attributes.get("time")
        if written is not None:
            duration_s = pauses.parse_duration(written)
            rule = "must be a duration such as 500ms or 1.5s"
        else:
            written = attributes.get("strength", "medium")
            duration_s = _BREAKS.get(written.strip())
            rule = f"must be one of {', '.join(_BREAKS)}"
        if duration_s is None:
            kind = "time" if "time" in attributes else "strength"
            raise InvalidRequest(f"invalid {kind} {written!r} of <break>: {rule}", param="text")
        if duration_s:
            self._pause(duration_s, position, f'<break time="{written}"/>')
        else:
            self._append(MappedText.replacement(" ", position, position))

    def _pause(self, duration_s: float, position: int, written: str) -> None:
        self._end_passage()
        self.sections.append(self._limits.pause(duration_s, position, written))

    def _replace(self, name: str, attributes: Mapping[str, str], content: MappedText, start: int, end: int) -> None:
        """Add the words that an element with text only has for its content."""
        if name == "sub":
            spoken: str | None = attributes["alias"]
        else:
            language = (self._style.language or self._language).split("-", 1)[0].lower()
            kind = attributes["interpret-as"].strip().lower()
            spoken = read_say_as(content.text, kind, attributes.get("format"), language)
            if kind == SILENT_KIND:
                self._pause(pauses.DEFAULT_S, start, "the expletive")
                spoken = ""
        if spoken is None:
            self._append(content)
        else:
            self._append(MappedText.replacement(spoken, start, end))
            self.changes.append(Change(start, end, spoken, "ssml"))

    def _check_name(self, name: str) -> None:
        if not self._open and name != "speak":
            raise InvalidRequest(f"the outermost element of SSML must be <speak>, not <{name}>", param="text")
        if self._open and name == "speak":
            raise InvalidRequest("<speak> inside of <speak>: SSML has one, around the whole text", param="text")
        if self._open and (outer := self._open[-1][0]) in _TEXT_ONLY:
            raise InvalidRequest(f"<{name}> is not allowed in <{outer}>, which contains text only", param="text")
        if name not in _ELEMENTS:
            prefix = name.partition(":")[0]
            vendor = f", an extension of {_EXTENSIONS[prefix]}" if prefix in _EXTENSIONS else ""
            known = ", ".join(_ELEMENTS)
            raise InvalidRequest(f"unknown SSML element <{name}>{vendor}: must be one of {known}", param="text")

    def _check_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        element = _ELEMENTS[name]
        for attribute in attributes:
            if attribute in element.ignored:
                self.ignored[f"{name} {attribute}"] = None
            elif attribute not in element.attributes and not _XML_ATTRIBUTE.fullmatch(attribute):
                known = ", ".join((*element.attributes, *element.ignored)) or "none"
                raise InvalidRequest(f"unknown attribute {attribute!r} of <{name}>; known: {known}", param="text")
        if not element.has_effect:
            self.ignored[name] = None


def _required(name: str, attributes: Mapping[str, str], attribute: str) -> str:
    value = attributes.get(attribute, "").strip()
    if not value:
        raise InvalidRequest(f"<{name}> must have the attribute {attribute}", param="text")
    return value


def _language(written: str) -> str | None:
    tag = written.strip()
    if tag and not _LANGUAGE.fullmatch(tag):
        raise InvalidRequest(f"invalid xml:lang {written!r}: must be a BCP 47 tag such as fr-FR", param="text")
    return tag or None


def _is_spoken(text: str) -> bool:
    return any(char.isalnum() or char in SPOKEN_PUNCTUATION or unicodedata.category(char)[0] == "S" for char in text)
