"""Pronunciation Lexicon Specification (W3C PLS 1.0): dictionaries as XML.

Only ``alias`` is used, because engines receive words: lexemes that have phonemes only are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from gateway.errors import InvalidRequest
from gateway.text.lexicon import Lexicon

MAX_ELEMENTS = 100_000  # 20 for each of 5,000 words; the tree takes much more memory than its XML
_NAMESPACE = "http://www.w3.org/2005/01/pronunciation-lexicon"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_UNDETERMINED = "und"  # PLS requires a language


def parse_pls(data: bytes) -> tuple[dict[str, Any], list[str]]:
    """Read a PLS document, with or without its namespace.

    Of several lexemes with the same grapheme, and of several aliases, the first counts; an alias with
    ``prefer="true"`` precedes the others.

    :returns: the fields of a :class:`gateway.text.lexicons.document.LexiconDocument`, and the skipped words.
    :raises InvalidRequest: if the document is not well-formed, not PLS, or has a DTD, entities or too many elements.
    """
    try:
        root = _parse(data)
    except ParseError as error:
        raise InvalidRequest(f"the body is not well-formed XML: {error}") from None
    except DefusedXmlException:
        raise InvalidRequest("the XML has a document type or entities: remove <!DOCTYPE …>") from None
    except (ValueError, LookupError) as error:
        raise InvalidRequest(f"the encoding of the XML is not supported: {error}; send UTF-8") from None
    if _name(root) != "lexicon":
        raise InvalidRequest(f"the root element is {_name(root)!r}: must be 'lexicon' (W3C PLS 1.0)")
    entries: dict[str, str] = {}
    skipped: dict[str, None] = {}
    for lexeme in _children(root, "lexeme"):
        words = [_text(grapheme) for grapheme in _children(lexeme, "grapheme")]
        if not words:
            raise InvalidRequest("a lexeme has no grapheme: add one, or remove the lexeme", param="entries")
        aliases = sorted(_children(lexeme, "alias"), key=lambda alias: alias.get("prefer") != "true")
        for word in words:
            if aliases:
                entries.setdefault(word, _text(aliases[0]))
            else:
                skipped[word] = None
    language = root.get(_LANGUAGE)
    if language == _UNDETERMINED:
        language = None
    return {"language": language, "entries": entries}, [word for word in skipped if word not in entries]


def to_pls(lexicon: Lexicon) -> str:
    """Write a dictionary as a PLS document, which has no place for voices."""
    language = quoteattr(lexicon.language or _UNDETERMINED)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<lexicon version="1.0" xmlns="{_NAMESPACE}" alphabet="ipa" xml:lang={language}>',
        *_lexemes(lexicon.entries),
        "</lexicon>",
    ]
    return "\n".join(lines) + "\n"


def _lexemes(entries: Mapping[str, str]) -> Iterator[str]:
    for word, spoken in entries.items():
        yield f"  <lexeme><grapheme>{escape(word)}</grapheme><alias>{escape(spoken)}</alias></lexeme>"


def _parse(data: bytes) -> Any:
    """Parse XML without expanding entities; returns the root element.

    :raises ValueError: for a DTD and entities.
    :raises InvalidRequest: for more than :data:`MAX_ELEMENTS` elements.
    """
    root = None
    for count, (_, element) in enumerate(iterparse(BytesIO(data), events=("start",), forbid_dtd=True)):
        if count >= MAX_ELEMENTS:
            raise InvalidRequest(f"the XML has more than {MAX_ELEMENTS} elements, the limit: store several lexicons")
        root = element if root is None else root
    return root


def _name(element: Any) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _children(element: Any, name: str) -> list[Any]:
    return [child for child in element if _name(child) == name]


def _text(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())
