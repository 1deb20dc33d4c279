"""The front end of generation 0.2: normalization, splitting, phones and tokens."""

from __future__ import annotations

import string
from dataclasses import dataclass

from backends.base import Codes, Job
from backends.errors import InvalidJob
from backends.fish.generation import PreparedText, Prompt, TextChunk, VoicePrompt
from backends.fish.options import FishOptions
from backends.fish.v0_2.options import FishV02Options
from backends.fish.v0_2.text.chunks import chunk_texts, split_text
from backends.fish.v0_2.text.languages import MARKUP, Order, parse_order
from backends.fish.v0_2.text.normalize import check_letters, normalize, normalize_with_origins, supported_scripts
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.prompt import prompt_rows, spell, with_codes
from backends.fish.v0_2.text.symbols import SUBTAGS
from backends.fish.v0_2.text.tokenizer import Tokenizer
from backends.text import Alphabet

CHARS_PER_TOKEN = 8  # hardly any token of the tokenizer is longer
NAMES = {subtag: name for name, subtag in SUBTAGS.items()}


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """Turns text and a voice into prompts.

    :param languages: supported languages, BCP 47.
    :param max_tokens: limit of a prompt.
    :param engine: the engine's name, for errors.
    """

    tokenizer: Tokenizer
    phonemizer: Phonemizer
    languages: tuple[str, ...]
    max_tokens: int
    engine: str

    @property
    def alphabet(self) -> Alphabet:
        """Letters, digits and tags; other signs are left out by the model's own cleaning."""
        return Alphabet(tuple(sorted(supported_scripts(self.languages))), string.digits, MARKUP.pattern)

    def prepare(self, job: Job, options: FishOptions, voice: VoicePrompt) -> PreparedText:
        """Normalize, split and tokenize a job's text.

        :raises InvalidJob: if the text or the transcript cannot be spoken, or is too long.
        """
        own = _own(options)
        check_letters(job.text, self.languages, self.engine)
        order = _order(job, own)
        transcript = self._checked_transcript(own, voice, order)
        text, origins = normalize_with_origins(job.text)
        spans = split_text(text, own.chunk_length) if own.chunk_length else [(0, len(text))]
        if not spans:
            raise InvalidJob("contains nothing to speak; it needs a letter or a digit", param="text")
        if max(end - start for start, end in spans) > CHARS_PER_TOKEN * self.max_tokens:  # phones would take long
            raise self._too_long()
        texts = chunk_texts(text, spans, order) if own.use_g2p else [text[start:end] for start, end in spans]
        voice_from_first_chunk = len(spans) > 1 and not voice.has_codes and voice.speaker is None
        chunks = []
        for index, ((start, end), chunk) in enumerate(zip(spans, texts, strict=True)):
            rows = self._rows(chunk, transcript, own, voice.speaker, order)
            if rows.shape[1] > self.max_tokens:
                raise self._too_long()
            chunks.append(TextChunk((origins[start], origins[end]), rows))
            if voice_from_first_chunk and index == 0:
                transcript = self._transcript(chunk, own, order, "text")
        return PreparedText(tuple(chunks), voice_from_first_chunk)

    def encode(self, text: str, options: FishOptions, voice: VoicePrompt) -> TextChunk:
        """Tokenize a text as it is, in one chunk.

        :raises InvalidJob: if the text or the transcript cannot be spoken.
        """
        own = _own(options)
        order, transcript = parse_order(own.order), ""
        if voice.transcript:
            transcript = self._transcript(voice.transcript, own, order, voice.transcript_param)
        return TextChunk((0, len(text)), self._rows(text, transcript, own, voice.speaker, order))

    def prompt(self, chunk: TextChunk, codes: Codes) -> Prompt:
        """Append the voice's codes, shape (K, T), to a chunk's rows; T may be 0."""
        return with_codes(chunk.rows, codes, self.tokenizer.pad_id)

    def _rows(self, text: str, transcript: str, options: FishV02Options, speaker: str | None, order: Order) -> Prompt:
        phonemizer = self.phonemizer if options.use_g2p else None
        return prompt_rows(
            self.tokenizer, text, transcript=transcript, speaker=speaker, phonemizer=phonemizer, order=order
        )

    def _checked_transcript(self, options: FishV02Options, voice: VoicePrompt, order: Order) -> str:
        """The voice's transcript, normalized, as it is written in a prompt."""
        text, param = voice.transcript, voice.transcript_param
        if not text:
            return ""
        try:
            check_letters(text, self.languages, self.engine)
        except InvalidJob as error:
            raise InvalidJob(error.message, param=param, needs_languages=error.needs_languages) from None
        transcript = self._transcript(normalize(text), options, order, param)
        if (tokens := len(self.tokenizer.encode(transcript))) > self.max_tokens // 2:
            raise InvalidJob(f"has {tokens} tokens; at most half of {self.max_tokens} are allowed", param=param)
        return transcript

    def _transcript(self, text: str, options: FishV02Options, order: Order, param: str) -> str:
        """A transcript as it is written in a prompt; errors name ``param``."""
        try:
            return spell(text, self.phonemizer if options.use_g2p else None, order)
        except InvalidJob as error:
            raise InvalidJob(error.message, param=param, needs_languages=error.needs_languages) from None

    def _too_long(self) -> InvalidJob:
        message = f"has more than {self.max_tokens} tokens in one chunk; shorten it or set a smaller chunk_length"
        return InvalidJob(message, param="text")


def _own(options: FishOptions) -> FishV02Options:
    assert isinstance(options, FishV02Options)  # noqa: S101 - parsed by this generation's own type
    return options


def _order(job: Job, options: FishV02Options) -> Order:
    """Languages by preference: the request's order, else its language before the others."""
    order = parse_order(options.order)
    if job.language is None or "order" in job.options:
        return order
    first = NAMES.get(job.language.split("-", 1)[0].lower(), order[0])
    return (first, *(name for name in order if name != first))
