"""XML of untrusted senders, read with the place of every element and every character in the input."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol
from xml.parsers.expat import errors
from xml.sax import SAXParseException

from defusedxml.common import DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden
from defusedxml.expatreader import DefusedExpatParser

from gateway.errors import InvalidRequest
from gateway.text.mapped_text import MappedText

MAX_DEPTH = 32

_REFERENCE = re.compile(r"&[^;&<\s]{1,40};")
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_HINTS = {
    errors.XML_ERROR_INVALID_TOKEN: "; write & as &amp; and < as &lt;",
    errors.XML_ERROR_UNDEFINED_ENTITY: "; use &amp; &lt; &gt; &quot; &apos; or a number such as &#233;",
}


class Handler(Protocol):
    """Receiver of a document's elements and text; positions are in characters."""

    def start(self, name: str, attributes: Mapping[str, str], position: int) -> None:
        """Receive a start tag at ``position``."""

    def end(self, name: str, position: int) -> None:
        """Receive an end tag at ``position``."""

    def characters(self, text: MappedText) -> None:
        """Receive text."""


def read_xml(text: str, handler: Handler) -> None:
    """Parse a document: no document type, no entities of its own, elements at most :data:`MAX_DEPTH` deep.

    :raises InvalidRequest: if it is not well-formed, with line and column; errors of the handler are passed on.
    """
    _Parser(text, handler).read()


class _Parser(DefusedExpatParser):  # type: ignore[misc]  # the library has no types
    def __init__(self, text: str, handler: Handler):
        super().__init__(forbid_dtd=True)
        self._skipped = len(text) - len(text.lstrip("\ufeff \t\r\n"))  # nothing may precede an XML declaration
        # XML has none of these characters. The clean-up drops zero-width spaces, as it drops lone surrogates.
        self._text = _CONTROLS.sub(" ", _SURROGATES.sub("\u200b", text))
        self._source_bytes = self._text[self._skipped :].encode()
        self._handler = handler
        self._open: list[str] = []
        self._byte, self._position = 0, self._skipped  # of the last event

    def read(self) -> None:
        try:
            self.feed(self._text[self._skipped :])
            self.close()
        except SAXParseException as error:
            raise self._malformed(error) from None
        except (DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden):
            raise InvalidRequest("SSML must not have a document type: remove <!DOCTYPE …>", param="text") from None

    def reset(self) -> None:
        super().reset()
        self._parser.buffer_text = False  # so that every call has the position of its text
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.ProcessingInstructionHandler = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) == MAX_DEPTH:
            raise InvalidRequest(f"SSML elements are more than {MAX_DEPTH} deep, at <{name}>", param="text")
        self._open.append(name)
        self._handler.start(name, attributes, self._current_position())

    def _end(self, name: str) -> None:
        self._open.pop()
        self._handler.end(name, self._current_position())

    def _characters(self, text: str) -> None:
        start = self._current_position()
        if len(text) == 1:  # references and line ends are passed on one by one
            end = start + 1
            if text == "\n" and self._text.startswith("\r\n", start):
                end += 1
            elif self._text[start] == "&" and (reference := _REFERENCE.match(self._text, start)):
                end = reference.end()
            self._handler.characters(MappedText.replacement(text, start, end))
        else:
            self._handler.characters(MappedText.of(text, start))

    def _current_position(self) -> int:
        """The position in characters of the event that is being handled."""
        byte = self._parser.CurrentByteIndex
        self._position += len(self._source_bytes[self._byte : byte].decode())
        self._byte = byte
        return self._position

    def _malformed(self, error: SAXParseException) -> InvalidRequest:
        reason: str = error.getMessage()
        hint = _HINTS.get(reason, "") if self._open else "; all text must be inside of one <speak> element"
        if self._open and reason in (errors.XML_ERROR_NO_ELEMENTS, errors.XML_ERROR_TAG_MISMATCH):
            reason = f"<{self._open[-1]}> is not closed"
        elif reason == errors.XML_ERROR_INVALID_TOKEN:
            reason = "unexpected character"
        before = self._text[: self._skipped].split("\n")
        line, column = error.getLineNumber() or 1, (error.getColumnNumber() or 0) + 1
        column += len(before[-1]) if line == 1 else 0
        where = f"line {line + len(before) - 1}, column {column}"
        return InvalidRequest(f"the SSML is not well-formed: {reason} at {where}{hint}", param="text")
