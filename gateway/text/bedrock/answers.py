"""Text extraction from responses of models on Amazon Bedrock.

Supported are responses of Converse, and of InvokeModel with Claude, Nova, Titan, Llama, Mistral and models in OpenAI's
format (Chat Completions and Responses). A response may be the body alone, wrapped by boto3, or a list of a stream's
events.

Only text blocks are used, in block order, of the first choice. Reasoning, tool use, sources of citations and thoughts
between tags (:mod:`gateway.text.thoughts`) are dropped. Text blocks that are not adjacent, for instance because of a
tool use between them, are separated by a blank line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.errors import InvalidRequest
from gateway.text.bedrock.shapes import MAX_CHARS, ContentPart, Reader, is_response
from gateway.text.thoughts import ThoughtFilter, without_thoughts

__all__ = ["MAX_CHARS", "TextDeltas", "is_response", "spoken_text"]

_MAX_GAP_CHARS = 100  # white space between texts; more is pointless


def spoken_text(response: Any, param: str = "text") -> str:
    """Extract the text of a complete response, or of a complete list of stream events.

    :param response: a dict, a list of events, or either of them as JSON; events may also be JSON Lines.
    :param param: the request field to name in errors.
    :raises InvalidRequest: if the format is unknown, the stream has failed, or the response has no text or more than
        MAX_CHARS characters; ``param`` is the path to the error.
    """
    reader = Reader(param)
    parts = sorted(reader.read(response), key=lambda part: part.position)  # stable: deltas of a block keep their order
    text = "\n\n".join(filter(None, (without_thoughts("".join(run)).strip() for run in _runs(parts))))
    if len(text) > MAX_CHARS:
        raise _too_long(param)
    if not text:
        raise reader.no_text_error()
    return text


class TextDeltas:
    """Incremental text extraction from a stream's events, for speaking while the model is still writing.

    The rules are those of :func:`spoken_text`, with two exceptions: text is in order of arrival, and a thought without
    an opening tag is not recognized.
    """

    def __init__(self, param: str = "text"):
        self._reader = Reader(param)
        self._param = param
        self._thoughts = ThoughtFilter()
        self._position: tuple[int, int, int] | None = None  # of the current text block
        self._interrupted = False  # whether a part without text has followed it
        self._spoken_chars = 0
        self._run_is_blank = True  # whether the current run of adjacent texts has only white space
        self._gap = ""  # trailing white space, emitted only if more text follows

    def add(self, event: Mapping[str, Any] | str | bytes) -> str:
        """The text of this event that can be spoken now; often empty.

        :raises InvalidRequest: if the event's format is unknown, the stream has failed, or there are more than
            MAX_CHARS characters.
        """
        spoken: list[str] = []
        for part in self._reader.read_event(event):
            if part.text is None:
                self._interrupted = self._interrupted or part.position != self._position
            elif part.text:
                if self._position is not None and (self._interrupted or part.position[0] != self._position[0]):
                    spoken.append(self._emit(self._thoughts.end()))
                    self._thoughts = ThoughtFilter()
                    self._run_is_blank, self._gap = True, "\n\n" if self._spoken_chars else ""
                self._position, self._interrupted = part.position, False
                spoken.append(self._emit(self._thoughts.feed(part.text)))
        if self._spoken_chars + self._thoughts.pending_chars > MAX_CHARS:
            raise _too_long(self._param)
        return "".join(spoken)

    def end(self) -> str:
        """The pending text that can be spoken once the stream is complete.

        :raises InvalidRequest: if the whole stream has no text.
        """
        rest = self._emit(self._thoughts.end())
        if not self._spoken_chars:
            raise self._reader.no_text_error()
        return rest

    def _emit(self, text: str) -> str:
        text = self._gap + (text.lstrip() if self._run_is_blank else text)
        kept = text.rstrip()
        self._gap = text[len(kept) :][:_MAX_GAP_CHARS]
        self._run_is_blank = self._run_is_blank and not kept
        self._spoken_chars += len(kept)
        return kept


def _runs(parts: Iterable[ContentPart]) -> Iterator[list[str]]:
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


def _too_long(param: str) -> InvalidRequest:
    return InvalidRequest(f"has too much text: the limit is {MAX_CHARS:,} characters", param=param)
