"""Random texts, SSML and responses of language models: the text stage refuses them as invalid, or maps them."""

from __future__ import annotations

import contextlib
import json
from xml.sax.saxutils import escape, quoteattr

import msgspec
from hypothesis import given, target
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import Raw
from support import bedrock_responses
from support.mutation import damaged, json_values

from backends.base import Capabilities
from backends.text import Alphabet
from gateway.errors import InvalidRequest
from gateway.text.bedrock import shapes
from gateway.text.bedrock.answers import MAX_CHARS
from gateway.text.fields import with_plain_text
from gateway.text.lexicon import Lexicon
from gateway.text.markdown import speakable
from gateway.text.sections import Passage, PreparedText
from gateway.text.ssml.elements import _ELEMENTS
from gateway.text.stage import TextOptions, prepare

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "ja", "zh", "ru", "xx")
TELLING = (
    *"0123456789.,:;/-+%$€£¥°²½№#@&*_=<>()[]{}\\\n\r\t\u3000\u200b\ufeff\u0301\ud83d\u202e",
    *("1,234.5", "3.14", "2024-05-17", "14:30", "1/2", "21st", "XIV", "$5.99", "5 km/h", "№ 5", "+49 30 123", "1e9"),
    *("https://a.example/b?c=1#d", "a@b.example", "192.168.0.1", "::1", "v1.2.3", "Dr.", "e.g.", "[pause 1s]", "[2s]"),
    *(
        "九百",
        "〇",
        "１，０００",
        "三分之一",
        "平成",
        "半",
        "第",
        "点",
        "零",
        "ー",
        "ア",
        "한",
        "ß",
        "İ",
        "ﬁ",
        "𝟘",
        "٣",
        "👩‍👩‍👧",
    ),
)
TEXTS = st.lists(st.sampled_from(TELLING) | st.text(max_size=3) | st.just(" "), max_size=16).map("".join)
LEXICONS = st.dictionaries(st.sampled_from(TELLING) | st.text(min_size=1, max_size=4), st.text(min_size=1, max_size=4))
OPTIONS = st.builds(
    TextOptions,
    language=st.none() | st.sampled_from(LANGUAGES),
    lexicons=st.lists(st.builds(Lexicon, st.just("a"), st.none(), st.just(()), LEXICONS), max_size=1),
)
ENGINES = [
    Capabilities("m", 24_000, ("en",), "none", "sentence", (), 1000, 1, {}),
    Capabilities(
        "m", 24_000, ("zh",), "none", "sentence", (), 1000, 1, {}, alphabet=Alphabet(("LATIN", "HAN"), "12", "<[^>]*>")
    ),
]
MAX_GROWTH = 80
"""Longest spoken form of one character: a digit can be a thousands group, a sign a phrase."""


def check(text: str, prepared: PreparedText) -> None:
    """Positions are in the text and in order, and the spoken form is not much longer than the text."""
    position = 0
    for section in prepared.sections:
        if isinstance(section, Passage):
            spans = list(zip(section.text.starts.tolist(), section.text.ends.tolist(), strict=True))
            assert len(spans) == len(section.text.text)
            assert all(0 <= start <= end <= len(text) for start, end in spans)
            assert [start for start, _ in spans] == sorted(start for start, _ in spans)
            assert section.text.span(0, len(spans))[0] >= position
            position = section.text.span(0, len(spans))[0]
        else:
            assert 0 <= section.position <= len(text)
            assert 0 < section.duration_s <= 10
    for change in prepared.changes:
        assert 0 <= change.start <= change.end <= len(text)
    assert all(0 <= refusal.position < len(text) for refusal in prepared.refused)
    growth = len(prepared.spoken_text) / len(text)
    target(growth)
    assert growth <= MAX_GROWTH


@given(TEXTS, OPTIONS, st.sampled_from(ENGINES))
def test_any_text_is_spoken_or_an_invalid_request(text: str, options: TextOptions, engine: Capabilities) -> None:
    with contextlib.suppress(InvalidRequest):
        check(text, prepare(text, options, engine))


ATTRIBUTES = {
    "break": {"time": ["500ms", "2s", "-1s", "9e9s", "0.5.5s", ""], "strength": ["strong", "none", "loud"]},
    "sub": {"alias": ["spoken words", "", "1/2"]},
    "say-as": {
        "interpret-as": [
            "date",
            "cardinal",
            "characters",
            "digits",
            "time",
            "telephone",
            "fraction",
            "unit",
            "expletive",
        ],
        "format": ["mdy", "dmy", "hms12", "x" * 40],
    },
    "prosody": {"rate": ["150%", "slow", "-99%", "1e9%"], "volume": ["+6dB", "silent", "-999dB", "x"]},
    "lang": {"xml:lang": ["de-DE", "zh", "", "a b"]},
    "voice": {"name": ["ann", ""]},
    "p": {"xml:lang": ["fr", "ja"]},
}
CONTENT = TEXTS.map(lambda text: escape(text)) | st.sampled_from(
    ["&amp;", "&#233;", "&#x10FFFF;", "&#0;", "&nbsp;", "<![CDATA[a<b]]>", "<!-- c -->", "<?x y?>", "\r\n", "&#13;"]
)


@st.composite
def elements(draw: st.DrawFn, inner: SearchStrategy[str]) -> str:
    name = draw(st.sampled_from([*_ELEMENTS, "amazon:effect", "SPEAK"]))
    known = ATTRIBUTES.get(name, {})
    given_names = draw(st.sets(st.sampled_from([*known]))) if known else ()
    attributes = {found: draw(st.sampled_from(known[found]) | st.text(max_size=4)) for found in given_names}
    written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{written}>{''.join(draw(st.lists(inner, max_size=3)))}</{name}>"


MARKED = st.recursive(CONTENT, elements, max_leaves=10)
SSML = st.lists(MARKED, max_size=4).map(lambda parts: f"<speak>{''.join(parts)}</speak>")
EXAMPLES = [
    b'\xef\xbb\xbf<?xml version="1.0"?>\n<speak xml:lang="en">One <break time="1s"/>two.</speak>',
    '<speak><p>Am <say-as interpret-as="date" format="dmy">3.5.2024</say-as> für &#8364;5.</p></speak>'.encode(),
]


@given(SSML | damaged(EXAMPLES).map(lambda data: data.decode("utf-8", "surrogateescape")), OPTIONS)
def test_any_ssml_is_spoken_or_an_invalid_request(text: str, options: TextOptions) -> None:
    options = TextOptions(options.language, ssml=True, lexicons=options.lexicons)
    with contextlib.suppress(InvalidRequest):
        prepared = prepare(text, options, ENGINES[0])
        prepared.spoken_text.encode()
        check(text * 10, prepared)  # the words of an alias can be longer than its element


ANSWERS = [found for name, found in vars(bedrock_responses).items() if name.isupper() and not isinstance(found, str)]
SEALED = [json.dumps(answer, default=lambda sealed: sealed.decode()).encode() for answer in ANSWERS]
KEYS = [
    field.encode_name
    for kind in vars(shapes).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    for field in msgspec.structs.fields(kind)
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | TEXTS.map(lambda text: text.encode("utf-8", "replace").decode())
    | st.sampled_from(["text", "text_delta", "message", "message_start", "response.failed", "W10=", "eyJ0ZXh0IjoxfQ=="])
    | st.sampled_from(["content_block_delta", "response.output_text.delta", "<think>", "</think>", "<thinking>"])
)


def spoken(data: bytes) -> None:
    for markdown in (True, False):
        with contextlib.suppress(InvalidRequest):
            found = with_plain_text({"text": Raw(data), "markdown": markdown})
            assert 0 < len(found["text"]) <= MAX_CHARS


@given(damaged(SEALED, max_edits=3) | json_values(LEAVES, KEYS).map(msgspec.json.encode))
def test_any_response_of_a_model_has_text_or_is_an_invalid_request(data: bytes) -> None:
    spoken(data)
    spoken(msgspec.json.encode({"chunk": {"bytes": data}}))


MARKDOWN = st.lists(
    st.sampled_from(
        ["#", "*", "**", "_", "`", "```\n", "~~~", "> ", "- ", "1. ", "|", "|-|\n", "\n", "    ", "![", "](", ")"]
    )
    | st.sampled_from(
        ["<b>", "<!--", "&amp;", "[a]: x\n", "[^1]", "\\\\", "http://a.example", "$", "$$", "~~", "* * *\n", "\t"]
    )
    | TEXTS,
    max_size=14,
).map("".join)


@given(MARKDOWN)
def test_markdown_is_not_made_longer(text: str) -> None:
    assert len(speakable(text)) <= 2 * len(text) + 20
