"""Text extraction from responses of models on Amazon Bedrock.

Supported are responses of Converse, and of InvokeModel with Claude, Nova, Titan, Llama, Mistral and models in OpenAI's
format (Chat Completions and Responses). A response may be the body alone, wrapped by boto3, or a list of a stream's
events.

Only text blocks are used, in block order, of the first choice. Reasoning, tool use, sources of citations and thoughts
between tags (:mod:`gateway.text.thoughts`) are dropped. Text blocks that are not adjacent, for instance because of a
tool use between them, are separated by a blank line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from gateway.errors import InvalidRequest
from gateway.text.bedrock.shapes import MAX_OBJECTS, Answer, Content, Delta, Failure, Output, Stopped, objects_left
from gateway.text.thoughts import without_thoughts

MAX_CHARS = 100_000  # text in one response: about two hours of speech
MAX_BYTES = 32 * 2**20  # JSON in one response, each level of nesting counted

_MAX_WRAPPINGS = 4  # such as JSON in `bytes` in `chunk` in `body`
_MAX_MESSAGE_CHARS = 200  # of the model's error message in ours
_FORMATS = (
    "Converse and Nova (output.message.content), Claude (content), Titan (results), Llama (generation), "
    "Mistral (outputs, choices), OpenAI (choices, output), or the list of a stream's events"
)
_FAILURES = ("error", "internal", "model_stream", "model_timeout", "unavailable", "throttling", "validation")

_KEYS = {field.name: field.encode_name for field in msgspec.structs.fields(Answer)}
_DECODER: Any = msgspec.json.Decoder(Answer | list[Answer] | str)
_LINE_DECODER = msgspec.json.Decoder(Answer)
_ERROR_PATH = re.compile(r" - at `\$(.*)`$")


def spoken_text(response: str | bytes | memoryview, param: str = "text") -> str:
    """Extract the text of a complete response, or of a complete list of stream events.

    :param response: JSON, or JSON Lines of events.
    :param param: the request field to name in errors.
    :raises InvalidRequest: if the format is unknown, the stream has failed, or the response has no text, more than
        MAX_CHARS characters, or more JSON than the limits allow; ``param`` is the path to the error.
    """
    budget = objects_left.set(MAX_OBJECTS)
    try:
        reader = _Reader(param)
        reader.read(response, param)
    finally:
        objects_left.reset(budget)
    parts = sorted(reader.parts, key=lambda part: part.position)  # stable: deltas of a block keep their order
    text = "\n\n".join(filter(None, (without_thoughts("".join(run)).strip() for run in _runs(parts))))
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"has too much text: the limit is {MAX_CHARS:,} characters", param=param)
    if not text:
        reason = f"; its stop reason is {reader.stop_reason[:100]!r}" if reader.stop_reason else ""
        message = f"the model's response has no text, only reasoning, tool use or nothing{reason}"
        raise InvalidRequest(message, param=param)
    return text


class _Part(NamedTuple):
    """A part of a response's content.

    :ivar position: indices of the message, of the block in the message, and of the part in the block.
    :ivar text: None for content other than text: reasoning, tool use, an image …
    """

    position: tuple[int, int, int]
    text: str | None


class _Reader:
    """Collect the parts of a response, or of a stream's events."""

    def __init__(self, param: str):
        self.parts: list[_Part] = []
        self.stop_reason = ""
        self._bytes_left = MAX_BYTES
        self._first = 0  # of the parts of the current message
        self._message = 0

    def read(self, data: str | bytes | memoryview, path: str, wrappings: int = 0) -> None:
        """Read JSON that is wrapped so many times."""
        if wrappings >= _MAX_WRAPPINGS:
            raise InvalidRequest(f"wrapped too deeply: the limit is {_MAX_WRAPPINGS} levels", param=path)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise InvalidRequest(f"has too much JSON: the limit is {MAX_BYTES:,} bytes in all levels", param=path)
        value = _decoded(data, path)
        if isinstance(value, str):
            self.read(value, path, wrappings + 1)
        elif isinstance(value, list):
            for number, answer in enumerate(value):
                self._answer(answer, f"{path}.{number}", wrappings)
        else:
            self._answer(value, path, wrappings)

    def _answer(self, answer: Answer, path: str, wrappings: int) -> None:
        _raise_failure(answer, path)
        self.stop_reason = _stop_reason(answer) or self.stop_reason
        count = len(self.parts)
        if answer.type == "message_start" or memoryview(answer.message_start):
            self._message += count > self._first
            self._first = count
            return
        for (message, block, number), text in _parts(answer):
            self.parts.append(_Part((self._message + message, block, number), text))
        if len(self.parts) > count or answer.type is not None:  # unknown types must be ignored
            return
        if not _is_empty(answer.stream):
            self.read(memoryview(answer.stream), f"{path}.stream", wrappings + 1)
        elif not _is_empty(answer.body):
            self.read(memoryview(answer.body), f"{path}.body", wrappings + 1)
        elif answer.chunk:
            self.read(answer.chunk.data, f"{path}.chunk.bytes", wrappings + 1)
        elif not any(map(_is_given, msgspec.structs.astuple(answer))):
            raise InvalidRequest(f"unknown format of a model's response: supported are {_FORMATS}", param=path)


def _decoded(data: str | bytes | memoryview, path: str) -> Answer | list[Answer] | str:
    """Parse JSON, or JSON Lines to a list."""
    fault = ""
    for decode in (_DECODER.decode, _LINE_DECODER.decode_lines):
        try:
            found: Answer | list[Answer] | str = decode(data)
            return found
        except msgspec.ValidationError as error:
            at = _ERROR_PATH.search(str(error))
            fault = str(error)[: at.start()] if at else str(error)
            where = re.sub(r"\[(\d+)\]", r".\1", at[1]) if at else ""
            message = f"{fault[:1].lower()}{fault[1:]}" if where else f"not a model's response: {fault}"
            raise InvalidRequest(message, param=path + where) from None
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            fault = fault or str(error)
    raise InvalidRequest(f"invalid JSON: {fault}", param=path)


def _is_empty(value: Raw) -> bool:
    return bytes(memoryview(value)[:5]) in (b"", b"null", b"{}")


def _is_given(value: Any) -> bool:
    return bool(memoryview(value)) if isinstance(value, Raw) else value is not None and value != 0


def _raise_failure(answer: Answer, path: str) -> None:
    """Refuse an event or a response that reports a failure of the model."""
    failures = [(_KEYS[name], getattr(answer, name)) for name in _FAILURES]
    if answer.type == "response.failed":
        failures.append(("response.error", (answer.response and answer.response.error) or ""))
    for key, failure in failures:
        if failure is not None:
            message = failure.message if isinstance(failure, Failure) else failure
            detail = f": {message[:_MAX_MESSAGE_CHARS]}" if message else ""
            raise InvalidRequest(f"the model has failed: {key}{detail}", param=f"{path}.{key}")


def _stop_reason(answer: Answer) -> str:
    items = [first for found in (answer.choices, answer.results, answer.outputs) for first in (found or ())[:1]]
    inner = [item for item in (answer, answer.message_stop, answer.delta, *items) if isinstance(item, Stopped)]
    return next((item.reason for item in reversed(inner) if item.reason), "")


def _parts(answer: Answer) -> Iterator[_Part]:
    """The content of a complete response or of an event; most events have none."""
    match answer:
        case Answer(type="content_block_start", content_block=block) if block:
            yield _Part((0, answer.index, 0), block.spoken)
        case Answer(type="content_block_delta", delta=Delta(type="text_delta", text=text)):
            yield _Part((0, answer.index, 0), text or "")
        case Answer(type="response.output_item.added", item=item) if item and item.type != "message":
            yield _Part((0, answer.output_index, 0), None)
        case Answer(type="response.output_text.delta", delta=str(text)):
            yield _Part((0, answer.output_index, answer.content_index), text)
        case Answer(output=list(items)):
            for number, item in enumerate(items):
                if item.type != "message":
                    yield _Part((0, number, 0), None)
                    continue
                for (_, part, _), text in _blocks(item.content):
                    yield _Part((0, number, part), text)
        case Answer(output=Output(message=message)):
            yield from _blocks(message.content)
        case Answer(content=str() | list() as content):
            yield from _blocks(content)
        case Answer(results=list(results)):
            yield from (_Part((number, 0, 0), result.text) for number, result in enumerate(results))
        case Answer(outputs=list(outputs)):
            yield from (_Part((number, 0, 0), output.text) for number, output in enumerate(outputs))
        case Answer(generation=str(text)) | Answer(output_text=str(text)):
            yield _Part((0, 0, 0), text)
        case Answer(choices=list(choices)):
            for choice in choices:
                if choice.index == 0 and (spoken := choice.delta or choice.message):
                    yield from _blocks(spoken.content)
        case Answer(block_start=start) if start and not _is_empty(start.start):
            yield _Part((0, start.index, 0), None)
        case Answer(block_delta=event) if event:
            if event.delta.text is not None or not memoryview(event.delta.citation):
                yield _Part((0, event.index, 0), event.delta.text)  # a citation belongs to the text of its block


def _blocks(content: Content) -> Iterator[_Part]:
    if isinstance(content, str):
        yield _Part((0, 0, 0), content)
    else:
        yield from (_Part((0, number, 0), block.spoken) for number, block in enumerate(content or ()))


def _runs(parts: Iterable[_Part]) -> Iterator[list[str]]:
    """Group the texts of adjacent blocks: citations divide a sentence into several blocks."""
    run: list[str] = []
    message = 0
    for part in parts:
        if part.text is None or part.position[0] != message:
            yield run
            run = []
        message = part.position[0]
        if part.text is not None:
            run.append(part.text)
    yield run
