"""Reader for the response formats of models on Amazon Bedrock.

The ``param`` of an error is a path such as ``text.output.message.content.2``: the request field, then keys and indices.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.errors import InvalidRequest

MAX_CHARS = 100_000  # text in one response: about two hours of speech

_MAX_WRAPPINGS = 4  # such as JSON in `bytes` in `chunk` in `body`
_MAX_MESSAGE_CHARS = 200  # of the model's error message in ours
_SHAPES = (
    "Converse and Nova (output.message.content), Claude (content), Titan (results), Llama (generation), "
    "Mistral (outputs, choices), OpenAI (choices, output), or the list of a stream's events"
)
_STOP_REASONS = ("stopReason", "stop_reason", "finish_reason", "completionReason")


class ContentPart(NamedTuple):
    """A part of a response's content.

    :ivar position: indices of the message, of the block in the message, and of the part in the block.
    :ivar text: None for content other than text: reasoning, tool use, an image …
    """

    position: tuple[int, int, int]
    text: str | None


ContentParts = Iterator[ContentPart]


def is_response(value: Any) -> bool:
    """Whether a JSON value looks like a response or a list of events; :class:`Reader` validates it."""
    if isinstance(value, list):
        return True
    return isinstance(value, Mapping) and (any(key in value for key in _BODIES) or _wrapped(value) is not None)


class Reader:
    """Read a response, or a stream's events one by one.

    :param param: the request field that contains the response.
    """

    def __init__(self, param: str):
        self._param = param
        self._message = 0
        self._message_is_empty = True
        self._events = 0
        self._stop_reason = ""

    def read(self, response: Any) -> list[ContentPart]:
        """The parts of a complete response or of a list of events.

        :raises InvalidRequest: if the format is unknown, a type is wrong, or the stream has failed.
        """
        value, path = _unwrapped(response, self._param)
        if isinstance(value, list):
            return [part for number, event in enumerate(value) for part in self._read_event(event, f"{path}.{number}")]
        if not isinstance(value, dict):
            raise InvalidRequest(f"not a model's response: supported are {_SHAPES}", param=path)
        _raise_failure(value, path)
        for key, read in _BODIES.items():
            if key in value:
                self._note_stop_reason(value)
                return list(read(value[key], f"{path}.{key}"))
        raise InvalidRequest(f"unknown format of a model's response: supported are {_SHAPES}", param=path)

    def read_event(self, event: Any) -> list[ContentPart]:
        """The parts of a stream's next event; most events have none.

        :raises InvalidRequest: if the format is unknown, a type is wrong, or the event reports a failure.
        """
        self._events += 1
        return self._read_event(event, f"{self._param}.{self._events - 1}")

    def _read_event(self, event: Any, path: str) -> list[ContentPart]:
        value, path = _unwrapped(event, path)
        if not isinstance(value, dict):
            raise InvalidRequest("not an event of a model's stream", param=path)
        _raise_failure(value, path)
        self._note_stop_reason(value)
        if value.get("type") == "message_start" or "messageStart" in value:
            self._message += not self._message_is_empty
            self._message_is_empty = True
            return []
        parts = [part._replace(position=(self._message, *part.position[1:])) for part in _event(value, path)]
        self._message_is_empty = self._message_is_empty and not parts
        return parts

    def no_text_error(self) -> InvalidRequest:
        """The error for a response without text."""
        reason = f"; its stop reason is {self._stop_reason!r}" if self._stop_reason else ""
        message = f"the model's response has no text, only reasoning, tool use or nothing{reason}"
        return InvalidRequest(message, param=self._param)

    def _note_stop_reason(self, value: Mapping[str, Any]) -> None:
        inner = [value.get(key) for key in ("messageStop", "delta")]
        inner += [
            items[0] for key in ("choices", "results", "outputs") if isinstance(items := value.get(key), list) and items
        ]
        for item in (value, *inner):
            if isinstance(item, Mapping):
                reasons = (item.get(key) for key in _STOP_REASONS)
                found = (reason[:100] for reason in reasons if isinstance(reason, str))
                self._stop_reason = next(found, self._stop_reason)


# Wrappings


def _wrapped(value: Mapping[str, Any]) -> str | None:
    """The key in which boto3 or a stream of InvokeModel wraps the response; None if it is not wrapped."""
    for key in ("stream", "body"):
        if isinstance(value.get(key), (dict, list, str, bytes)) and not any(known in value for known in _BODIES):
            return key
    return "chunk" if "chunk" in value else None


def _unwrapped(value: Any, path: str) -> tuple[Any, str]:
    for _ in range(_MAX_WRAPPINGS):
        if isinstance(value, (str, bytes)):
            value = _json(value, path)
        elif isinstance(value, dict) and (key := _wrapped(value)) is not None:
            value, path = value[key], f"{path}.{key}"
            if key == "chunk":
                value, path = _chunk(_object(value, path), f"{path}.bytes"), f"{path}.bytes"
        else:
            return value, path
    raise InvalidRequest(f"wrapped too deeply: the limit is {_MAX_WRAPPINGS} levels", param=path)


def _json(value: str | bytes, path: str) -> Any:
    """Parse JSON, or JSON Lines to a list."""
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        fault = str(error)
    try:
        return msgspec.json.Decoder().decode_lines(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidRequest(f"invalid JSON: {fault}", param=path) from None


def _chunk(chunk: Mapping[str, Any], path: str) -> bytes:
    """The JSON in a chunk of an InvokeModel stream; it is base64 if the chunk itself was JSON."""
    data = chunk.get("bytes")
    if isinstance(data, bytes):
        return data
    try:
        return base64.b64decode(_string(data, path), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("must be base64", param=path) from None


def _raise_failure(value: Mapping[str, Any], path: str) -> None:
    """Refuse an event or a response that reports a failure of the model."""
    for key, failure in value.items():
        if (key.endswith("Exception") or key == "error") and failure is not None:
            message = failure.get("message") if isinstance(failure, Mapping) else failure
            detail = f": {message[:_MAX_MESSAGE_CHARS]}" if isinstance(message, str) and message else ""
            raise InvalidRequest(f"the model has failed: {key}{detail}", param=f"{path}.{key}")


# Complete responses


def _output(value: Any, path: str) -> ContentParts:
    if isinstance(value, list):
        return _responses_items(value, path)
    message = _object(_object(value, path).get("message"), f"{path}.message")
    return _blocks(message.get("content"), f"{path}.message.content")


def _blocks(value: Any, path: str) -> ContentParts:
    """The content of a message: a string or a list of blocks."""
    if isinstance(value, str):
        yield ContentPart((0, 0, 0), value)
        return
    for number, block in enumerate(_objects(value, path)):
        yield ContentPart((0, number, 0), _block_text(block, f"{path}.{number}"))


def _block_text(block: Mapping[str, Any], path: str) -> str | None:
    if isinstance(kind := block.get("type"), str):  # Claude, OpenAI
        return _string(block.get("text"), f"{path}.text") if kind in ("text", "output_text") else None
    if "text" in block:  # Converse: the key is the block's type
        return _string(block["text"], f"{path}.text")
    if "citationsContent" in block:
        path = f"{path}.citationsContent"
        parts = _objects(_object(block["citationsContent"], path).get("content", []), f"{path}.content")
        texts = (_string(part.get("text", ""), f"{path}.content.{number}.text") for number, part in enumerate(parts))
        return "".join(texts)
    return None


def _responses_items(value: Any, path: str) -> ContentParts:
    """OpenAI's Responses: messages among reasoning and tool calls."""
    for number, item in enumerate(_objects(value, path)):
        if item.get("type") != "message":
            yield ContentPart((0, number, 0), None)
            continue
        for part in _blocks(item.get("content"), f"{path}.{number}.content"):
            yield ContentPart((0, number, part.position[1]), part.text)


def _titan(value: Any, path: str) -> ContentParts:
    for number, result in enumerate(_objects(value, path)):
        yield ContentPart((number, 0, 0), _string(result.get("outputText"), f"{path}.{number}.outputText"))


def _mistral(value: Any, path: str) -> ContentParts:
    for number, output in enumerate(_objects(value, path)):
        yield ContentPart((number, 0, 0), _string(output.get("text"), f"{path}.{number}.text"))


def _llama(value: Any, path: str) -> ContentParts:
    yield ContentPart((0, 0, 0), _string(value, path))


def _choices(value: Any, path: str) -> ContentParts:
    """OpenAI's Chat Completions, a complete response or a stream's chunk; Mistral's chunks have complete messages."""
    for number, choice in enumerate(_objects(value, path)):
        if choice.get("index", 0) != 0:
            continue
        key = "delta" if "delta" in choice else "message"
        message = _object(choice.get(key), f"{path}.{number}.{key}")
        if message.get("content") is not None:  # missing in a tool call
            yield from _blocks(message["content"], f"{path}.{number}.{key}.content")


_BODIES: Mapping[str, Callable[[Any, str], ContentParts]] = {
    "output": _output,
    "content": _blocks,
    "results": _titan,
    "generation": _llama,
    "outputs": _mistral,
    "choices": _choices,
}


# Events of streams


def _event(event: Mapping[str, Any], path: str) -> ContentParts:
    if isinstance(kind := event.get("type"), str):
        return _TYPED_EVENTS.get(kind, _nothing)(event, path)  # unknown types must be ignored
    for key, read in _EVENTS.items():
        if key in event:
            return read(event[key], f"{path}.{key}")
    if not any(key in _SILENT_EVENTS or key.startswith("amazon-bedrock-") for key in event):
        raise InvalidRequest("unknown event of a model's stream", param=path)
    return iter(())


def _converse_start(value: Any, path: str) -> ContentParts:
    start = _object(value, path)
    if start.get("start"):  # a tool use, a tool result or an image; text blocks have no start
        yield ContentPart((0, _index(start, "contentBlockIndex", path), 0), None)


def _converse_delta(value: Any, path: str) -> ContentParts:
    event = _object(value, path)
    delta = _object(event.get("delta"), f"{path}.delta")
    position = (0, _index(event, "contentBlockIndex", path), 0)
    if "text" in delta:
        yield ContentPart(position, _string(delta["text"], f"{path}.delta.text"))
    elif "citation" not in delta:  # a citation belongs to the text of its block
        yield ContentPart(position, None)


def _claude_start(event: Mapping[str, Any], path: str) -> ContentParts:
    block = _object(event.get("content_block"), f"{path}.content_block")
    yield ContentPart((0, _index(event, "index", path), 0), _block_text(block, f"{path}.content_block"))


def _claude_delta(event: Mapping[str, Any], path: str) -> ContentParts:
    delta = _object(event.get("delta"), f"{path}.delta")
    if delta.get("type") == "text_delta":
        yield ContentPart((0, _index(event, "index", path), 0), _string(delta.get("text"), f"{path}.delta.text"))


def _responses_item(event: Mapping[str, Any], path: str) -> ContentParts:
    if _object(event.get("item"), f"{path}.item").get("type") != "message":
        yield ContentPart((0, _index(event, "output_index", path), 0), None)


def _responses_delta(event: Mapping[str, Any], path: str) -> ContentParts:
    position = (0, _index(event, "output_index", path), _index(event, "content_index", path))
    yield ContentPart(position, _string(event.get("delta"), f"{path}.delta"))


def _responses_failed(event: Mapping[str, Any], path: str) -> ContentParts:
    response = _object(event.get("response"), f"{path}.response")
    _raise_failure({"error": {}, **response}, f"{path}.response")
    return iter(())


def _nothing(event: Mapping[str, Any], path: str) -> ContentParts:
    return iter(())


_EVENTS: Mapping[str, Callable[[Any, str], ContentParts]] = {
    "contentBlockDelta": _converse_delta,
    "contentBlockStart": _converse_start,
    "outputText": _llama,  # Titan: a plain string, as Llama's
    "generation": _llama,
    "outputs": _mistral,
    "choices": _choices,
}
_SILENT_EVENTS = frozenset({"contentBlockStop", "messageStop", "metadata", "SDK_UNKNOWN_MEMBER"})
_TYPED_EVENTS: Mapping[str, Callable[[Mapping[str, Any], str], ContentParts]] = {
    "content_block_start": _claude_start,
    "content_block_delta": _claude_delta,
    "response.output_item.added": _responses_item,
    "response.output_text.delta": _responses_delta,
    "response.failed": _responses_failed,
}


# Types


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"must be an object, not {_kind(value)}", param=path)
    return value


def _objects(value: Any, path: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise InvalidRequest(f"must be a list, not {_kind(value)}", param=path)
    return [_object(item, f"{path}.{number}") for number, item in enumerate(value)]


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"must be a string, not {_kind(value)}", param=path)
    return value


def _index(event: Mapping[str, Any], key: str, path: str) -> int:
    value = event.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequest(f"must be an integer, not {_kind(value)}", param=f"{path}.{key}")
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "nothing"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)
