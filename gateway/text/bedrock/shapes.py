"""The shapes in which models on Amazon Bedrock answer, read as pieces of text and places where something else stood.

A path such as ``text.output.message.content.2`` is the ``param`` of an error: the request field, then keys and
positions.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.errors import InvalidRequest

MAX_CHARS = 100_000  # of text in one response: about two hours of speech

_MAX_WRAPPINGS = 4  # JSON in `bytes` in `chunk` in `body`, for instance
_MAX_MESSAGE_CHARS = 200  # of somebody else's error message in ours
_SHAPES = (
    "Converse and Nova (output.message.content), Claude (content), Titan (results), Llama (generation), "
    "Mistral (outputs, choices), OpenAI (choices, output), or the list of a stream's events"
)
_STOP_REASONS = ("stopReason", "stop_reason", "finish_reason", "completionReason")


class Piece(NamedTuple):
    """Some text of a response, or the news that something else stands in a place.

    :ivar place: message, block in the message, part of the block.
    :ivar text: None for what is not to be spoken: reasoning, tool use, an image …
    """

    place: tuple[int, int, int]
    text: str | None


Pieces = Iterator[Piece]


def is_response(value: Any) -> bool:
    """Whether a JSON value looks like a response or a list of events; whether it is one, reading it shows."""
    if isinstance(value, list):
        return True
    return isinstance(value, Mapping) and (any(key in value for key in _BODIES) or _wrapped(value) is not None)


class Reader:
    """Reads a response, or a stream's events one by one.

    :param param: where the response stands in the request.
    """

    def __init__(self, param: str):
        self._param = param
        self._message = 0
        self._message_is_empty = True
        self._events = 0
        self._stop_reason = ""

    def read(self, response: Any) -> list[Piece]:
        """The pieces of a whole response or of a list of events.

        :raises InvalidRequest: for an unknown shape, a wrong type, or a failed stream.
        """
        value, path = _unwrapped(response, self._param)
        if isinstance(value, list):
            return [
                piece for number, event in enumerate(value) for piece in self._read_event(event, f"{path}.{number}")
            ]
        if not isinstance(value, dict):
            raise InvalidRequest(f"is no response of a model; known are: {_SHAPES}", param=path)
        _raise_failure(value, path)
        for key, read in _BODIES.items():
            if key in value:
                self._note_stop_reason(value)
                return list(read(value[key], f"{path}.{key}"))
        raise InvalidRequest(f"is no response of a model that is known here; known are: {_SHAPES}", param=path)

    def read_event(self, event: Any) -> list[Piece]:
        """The pieces of a stream's next event; none for most.

        :raises InvalidRequest: for an unknown shape, a wrong type, or an event that says that the stream has failed.
        """
        self._events += 1
        return self._read_event(event, f"{self._param}.{self._events - 1}")

    def _read_event(self, event: Any, path: str) -> list[Piece]:
        value, path = _unwrapped(event, path)
        if not isinstance(value, dict):
            raise InvalidRequest("is no event of a model's stream", param=path)
        _raise_failure(value, path)
        self._note_stop_reason(value)
        if value.get("type") == "message_start" or "messageStart" in value:
            self._message += not self._message_is_empty
            self._message_is_empty = True
            return []
        pieces = [piece._replace(place=(self._message, *piece.place[1:])) for piece in _event(value, path)]
        self._message_is_empty = self._message_is_empty and not pieces
        return pieces

    def nothing_to_say(self) -> InvalidRequest:
        """The error for a response without text."""
        why = f"; it ended with {self._stop_reason!r}" if self._stop_reason else ""
        message = f"there is no text in the model's response (only reasoning, tool use, or nothing at all){why}"
        return InvalidRequest(message, param=self._param)

    def _note_stop_reason(self, value: Mapping[str, Any]) -> None:
        inner = [value.get(key) for key in ("messageStop", "delta")]
        inner += [
            items[0] for key in ("choices", "results", "outputs") if isinstance(items := value.get(key), list) and items
        ]
        for place in (value, *inner):
            if isinstance(place, Mapping):
                reasons = (place.get(key) for key in _STOP_REASONS)
                self._stop_reason = next((why[:100] for why in reasons if isinstance(why, str)), self._stop_reason)


# Wrappings


def _wrapped(value: Mapping[str, Any]) -> str | None:
    """The key under which boto3, or a stream of InvokeModel, has the response itself."""
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
    raise InvalidRequest("is wrapped too often", param=path)


def _json(value: str | bytes, path: str) -> Any:
    """JSON, or JSON Lines as a list."""
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        fault = str(error)
    try:
        return msgspec.json.Decoder().decode_lines(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidRequest(f"is no JSON of a model's response: {fault}", param=path) from None


def _chunk(chunk: Mapping[str, Any], path: str) -> bytes:
    """A part of the stream of InvokeModel: JSON, in base64 once it has been through JSON itself."""
    data = chunk.get("bytes")
    if isinstance(data, bytes):
        return data
    try:
        return base64.b64decode(_string(data, path), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("is not base64", param=path) from None


def _raise_failure(value: Mapping[str, Any], path: str) -> None:
    """Refuse an event, or an answer, that says that the model has failed."""
    for key, problem in value.items():
        if (key.endswith("Exception") or key == "error") and problem is not None:
            message = problem.get("message") if isinstance(problem, Mapping) else problem
            told = f": {message[:_MAX_MESSAGE_CHARS]}" if isinstance(message, str) and message else ""
            raise InvalidRequest(f"the model has failed: {key}{told}", param=f"{path}.{key}")


# Whole responses


def _output(value: Any, path: str) -> Pieces:
    if isinstance(value, list):
        return _responses_items(value, path)
    message = _object(_object(value, path).get("message"), f"{path}.message")
    return _blocks(message.get("content"), f"{path}.message.content")


def _blocks(value: Any, path: str) -> Pieces:
    """The content of a message: a string, or blocks."""
    if isinstance(value, str):
        yield Piece((0, 0, 0), value)
        return
    for number, block in enumerate(_objects(value, path)):
        yield Piece((0, number, 0), _block_text(block, f"{path}.{number}"))


def _block_text(block: Mapping[str, Any], path: str) -> str | None:
    if isinstance(kind := block.get("type"), str):  # Claude, OpenAI
        return _string(block.get("text"), f"{path}.text") if kind in ("text", "output_text") else None
    if "text" in block:  # Converse: one key of several
        return _string(block["text"], f"{path}.text")
    if "citationsContent" in block:
        path = f"{path}.citationsContent"
        parts = _objects(_object(block["citationsContent"], path).get("content", []), f"{path}.content")
        texts = (_string(part.get("text", ""), f"{path}.content.{number}.text") for number, part in enumerate(parts))
        return "".join(texts)
    return None


def _responses_items(value: Any, path: str) -> Pieces:
    """OpenAI's Responses: messages among reasoning and tool calls."""
    for number, item in enumerate(_objects(value, path)):
        if item.get("type") != "message":
            yield Piece((0, number, 0), None)
            continue
        for piece in _blocks(item.get("content"), f"{path}.{number}.content"):
            yield Piece((0, number, piece.place[1]), piece.text)


def _titan(value: Any, path: str) -> Pieces:
    for number, result in enumerate(_objects(value, path)):
        yield Piece((number, 0, 0), _string(result.get("outputText"), f"{path}.{number}.outputText"))


def _mistral(value: Any, path: str) -> Pieces:
    for number, output in enumerate(_objects(value, path)):
        yield Piece((number, 0, 0), _string(output.get("text"), f"{path}.{number}.text"))


def _llama(value: Any, path: str) -> Pieces:
    yield Piece((0, 0, 0), _string(value, path))


def _choices(value: Any, path: str) -> Pieces:
    """OpenAI's Chat Completions, whole or a stream's chunk; Mistral has whole messages in its chunks too."""
    for number, choice in enumerate(_objects(value, path)):
        if choice.get("index", 0) != 0:
            continue
        key = "delta" if "delta" in choice else "message"
        message = _object(choice.get(key), f"{path}.{number}.{key}")
        if message.get("content") is not None:  # absent in a call of tools
            yield from _blocks(message["content"], f"{path}.{number}.{key}.content")


_BODIES: Mapping[str, Callable[[Any, str], Pieces]] = {
    "output": _output,
    "content": _blocks,
    "results": _titan,
    "generation": _llama,
    "outputs": _mistral,
    "choices": _choices,
}


# Events of streams


def _event(event: Mapping[str, Any], path: str) -> Pieces:
    if isinstance(kind := event.get("type"), str):
        return _TYPED_EVENTS.get(kind, _nothing)(event, path)  # types that are not known yet are to be passed over
    for key, read in _EVENTS.items():
        if key in event:
            return read(event[key], f"{path}.{key}")
    if not any(key in _SILENT_EVENTS or key.startswith("amazon-bedrock-") for key in event):
        raise InvalidRequest("is no event of a model's stream that is known here", param=path)
    return iter(())


def _converse_start(value: Any, path: str) -> Pieces:
    start = _object(value, path)
    if start.get("start"):  # of a tool's use or result, or an image; text begins without
        yield Piece((0, _index(start, "contentBlockIndex", path), 0), None)


def _converse_delta(value: Any, path: str) -> Pieces:
    event = _object(value, path)
    delta = _object(event.get("delta"), f"{path}.delta")
    place = (0, _index(event, "contentBlockIndex", path), 0)
    if "text" in delta:
        yield Piece(place, _string(delta["text"], f"{path}.delta.text"))
    elif "citation" not in delta:  # which belongs to the text of its block
        yield Piece(place, None)


def _claude_start(event: Mapping[str, Any], path: str) -> Pieces:
    block = _object(event.get("content_block"), f"{path}.content_block")
    yield Piece((0, _index(event, "index", path), 0), _block_text(block, f"{path}.content_block"))


def _claude_delta(event: Mapping[str, Any], path: str) -> Pieces:
    delta = _object(event.get("delta"), f"{path}.delta")
    if delta.get("type") == "text_delta":
        yield Piece((0, _index(event, "index", path), 0), _string(delta.get("text"), f"{path}.delta.text"))


def _responses_item(event: Mapping[str, Any], path: str) -> Pieces:
    if _object(event.get("item"), f"{path}.item").get("type") != "message":
        yield Piece((0, _index(event, "output_index", path), 0), None)


def _responses_delta(event: Mapping[str, Any], path: str) -> Pieces:
    place = (0, _index(event, "output_index", path), _index(event, "content_index", path))
    yield Piece(place, _string(event.get("delta"), f"{path}.delta"))


def _responses_failed(event: Mapping[str, Any], path: str) -> Pieces:
    response = _object(event.get("response"), f"{path}.response")
    _raise_failure({"error": {}, **response}, f"{path}.response")
    return iter(())


def _nothing(event: Mapping[str, Any], path: str) -> Pieces:
    return iter(())


_EVENTS: Mapping[str, Callable[[Any, str], Pieces]] = {
    "contentBlockDelta": _converse_delta,
    "contentBlockStart": _converse_start,
    "outputText": _llama,  # Titan: as plain as Llama's
    "generation": _llama,
    "outputs": _mistral,
    "choices": _choices,
}
_SILENT_EVENTS = frozenset({"contentBlockStop", "messageStop", "metadata", "SDK_UNKNOWN_MEMBER"})
_TYPED_EVENTS: Mapping[str, Callable[[Mapping[str, Any], str], Pieces]] = {
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
        raise InvalidRequest(f"must be a whole number, not {_kind(value)}", param=f"{path}.{key}")
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "nothing"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)
