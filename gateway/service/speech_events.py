"""Events of a speech: encoded audio, spans of the text that it speaks, and traces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from backends.base import Trace
from gateway.service.speech import Speech, finish, write


@dataclass(frozen=True, slots=True)
class SpokenSpan:
    """The audio that follows speaks this span of the text.

    :param start: in characters of the request's text.
    :param at_s: start in the audio.
    """

    index: int
    start: int
    end: int
    at_s: float


SpeechEvent = bytes | SpokenSpan | Trace


async def speech_events(speech: Speech) -> AsyncIterator[SpeechEvent]:
    """Iterate over the events of a started speech; the bytes are those of :meth:`Speech.stream`.

    :raises GatewayError: if the job fails.
    """
    current: SpokenSpan | None = None
    at_s = 0.0
    with speech.encoder(streaming=True) as encoder:
        async for output in speech.outputs():
            if isinstance(output, Trace):
                yield output
                continue
            span = output.text_span
            if span and (current is None or span != (current.start, current.end)):
                current = SpokenSpan(0 if current is None else current.index + 1, *span, at_s)
                yield current
            at_s = speech.consumed_s
            if data := await write(encoder, output.samples):
                yield data
        if data := await finish(encoder, 0):
            yield data
