"""What a model on Amazon Bedrock answered, as the text of it that is meant to be read.

Recognised are the answers of Converse, and of InvokeModel with Claude, Nova, Titan, Llama, Mistral and models in
OpenAI's format (Chat Completions and Responses): as the body alone, as boto3 wraps it, or as the list of a stream's
events.

Only text blocks count, in the order of the blocks. Reasoning, tool use and the sources of citations are never text, and
neither are thoughts that a model writes between tags (see :mod:`gateway.text.thoughts`). Of several choices the first
one counts. Texts that are not neighbours, because a tool was used between them for instance, are separated by a blank
line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.errors import InvalidRequest
from gateway.text.bedrock.shapes import MAX_CHARS, Piece, Reader, is_response
from gateway.text.thoughts import ThoughtFilter, without_thoughts

__all__ = ["MAX_CHARS", "TextDeltas", "is_response", "spoken_text"]

_GAP_CHARS = 100  # of white space: more of it says no more


def spoken_text(response: Any, param: str = "text") -> str:
    """The text of a whole response, or of a complete list of stream events.

    :param response: a dict, a list of events, or either of them as JSON; events may also be JSON Lines.
    :param param: the request field it came in, which errors name.
    :raises InvalidRequest: for an unknown shape, an answer without text, a failed stream, or more than MAX_CHARS
        characters; ``param`` is the path to what is wrong.
    """
    reader = Reader(param)
    pieces = sorted(reader.read(response), key=lambda piece: piece.place)  # stable: deltas of a block keep their order
    text = "\n\n".join(filter(None, (without_thoughts("".join(run)).strip() for run in _runs(pieces))))
    if len(text) > MAX_CHARS:
        raise _too_long(param)
    if not text:
        raise reader.nothing_to_say()
    return text


class TextDeltas:
    """The text of a stream, event by event, for speaking while the model is still writing.

    The rules are those of :func:`spoken_text`, as far as they can be kept without knowing what comes: text is spoken in
    the order of its arrival, and a thought without an opening tag is not known for one.
    """

    def __init__(self, param: str = "text"):
        self._reader = Reader(param)
        self._param = param
        self._thoughts = ThoughtFilter()
        self._place: tuple[int, int, int] | None = None  # of the text block under way
        self._interrupted = False  # by something else than text since then
        self._spoken_chars = 0
        self._run_is_blank = True  # of neighbouring texts, so far
        self._gap = ""  # white space that is only worth something if more text follows

    def add(self, event: Mapping[str, Any] | str | bytes) -> str:
        """What of this event may be spoken now; often nothing.

        :raises InvalidRequest: for an event of no known shape, one that says that the stream has failed, or when there
            are more than MAX_CHARS characters.
        """
        spoken: list[str] = []
        for piece in self._reader.read_event(event):
            if piece.text is None:
                self._interrupted = self._interrupted or piece.place != self._place
            elif piece.text:
                if self._place is not None and (self._interrupted or piece.place[0] != self._place[0]):
                    spoken.append(self._let_through(self._thoughts.end()))
                    self._thoughts = ThoughtFilter()
                    self._run_is_blank, self._gap = True, "\n\n" if self._spoken_chars else ""
                self._place, self._interrupted = piece.place, False
                spoken.append(self._let_through(self._thoughts.feed(piece.text)))
        if self._spoken_chars + self._thoughts.held_chars > MAX_CHARS:
            raise _too_long(self._param)
        return "".join(spoken)

    def end(self) -> str:
        """What was held back and may be spoken now that the stream is complete.

        :raises InvalidRequest: when there was no text in the whole stream.
        """
        rest = self._let_through(self._thoughts.end())
        if not self._spoken_chars:
            raise self._reader.nothing_to_say()
        return rest

    def _let_through(self, text: str) -> str:
        text = self._gap + (text.lstrip() if self._run_is_blank else text)
        kept = text.rstrip()
        self._gap = text[len(kept) :][:_GAP_CHARS]
        self._run_is_blank = self._run_is_blank and not kept
        self._spoken_chars += len(kept)
        return kept


def _runs(pieces: Iterable[Piece]) -> Iterator[list[str]]:
    """Texts of neighbouring blocks: citations divide a sentence into several."""
    run: list[str] = []
    message = 0
    for piece in pieces:
        if piece.text is None or piece.place[0] != message:
            yield run
            run = []
        message = piece.place[0]
        if piece.text is not None:
            run.append(piece.text)
    yield run


def _too_long(param: str) -> InvalidRequest:
    return InvalidRequest(f"has more than {MAX_CHARS:,} characters of text", param=param)
