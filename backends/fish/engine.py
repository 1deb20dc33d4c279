"""The Fish-Speech engine, generation 0.2: VQGAN prompt encoding, text2semantic generation, VQGAN decoding.

A step is one code frame for every active piece of every job, and one window of the codec for those that have enough of
them. Torch is imported by ``load``. Letters: Q codebooks, k code frames, N samples.
"""

from __future__ import annotations

import collections.abc
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from backends.base import (
    BuiltinVoice,
    Capabilities,
    CodecInfo,
    DecodeJob,
    EncodeJob,
    Engine,
    EngineConfig,
    Event,
    Failed,
    Finished,
    Job,
    Progress,
    no_progress,
)
from backends.common.seeds import piece_seed
from backends.errors import FatalFault, InvalidJob, LoadError
from backends.fish.generation import Sequence
from backends.fish.options import VOICE_OPTIONS, FishOptions, check_defaults, read_options, sampling_of
from backends.fish.references import NO_CODES, KeptCodes, References, read_codes, require_room
from backends.fish.utterance import Piece, Push, Speaking
from backends.fish.v0_2.config import CODE_SAMPLES, RATE_HZ, FishModel, read_lm_config
from backends.fish.v0_2.text.chunks import piece_texts, split_text
from backends.fish.v0_2.text.languages import Order, parse_order
from backends.fish.v0_2.text.normalize import plain, require_letters, with_origins
from backends.fish.v0_2.text.prompt import Codes, check_speaker, with_codes
from backends.fish.v0_2.text.symbols import SUBTAGS
from backends.options import json_schema, parse_config

if TYPE_CHECKING:
    from backends.fish.codec_jobs import Conversions
    from backends.fish.v0_2.loading import Loaded

RANDOM = "random"
MAX_TEXT_CHARS = 20_000
CHARS_PER_TOKEN = 8  # hardly any token of a tokenizer stands for more
OWN_NAMES = {subtag: name for name, subtag in SUBTAGS.items()}


class FishEngine(Engine):
    """A language model that continues a voice's codes, and the codec that makes sound of them."""

    summary: ClassVar[str] = "Fish-Speech 0.2: voice cloning in Chinese, Japanese and English (torch)"

    def __init__(self, config: EngineConfig):
        where = f"engines.{config.name}"
        self._model = parse_config(FishModel, config.model, f"{where}.model")
        read_lm_config(self._model.lm_config, f"{where}.model.lm_config")
        check_defaults(config.defaults, f"{where}.defaults")
        _check_speakers(self._model.speakers, f"{where}.model.speakers")
        self._config = config
        self._speaking: dict[str, Speaking] = {}
        self._options: dict[str, FishOptions] = {}
        self._references = References(KeptCodes())

    def load(self, progress: Progress = no_progress) -> Capabilities:
        """Fetch what is configured and bring it to the device."""
        try:
            from backends.fish.codec_jobs import Conversions
            from backends.fish.v0_2.loading import load
        except ImportError as error:
            raise LoadError(f"the fish engine needs torch and more: make install-fish ({error})") from error
        self._loaded: Loaded = load(self._model, self._config, progress)
        codec = self._loaded.codec
        self._conversions: Conversions = Conversions(codec, self._loaded.decoder)
        language = self._loaded.languages[0]
        voices = [BuiltinVoice(name, language, "a speaker of the checkpoint") for name in self._speakers()]
        drawn = BuiltinVoice(RANDOM, language, "a voice drawn by the seed")
        voices.insert(0 if self._default_speaker() is None else 1, drawn)
        return Capabilities(
            model=self._loaded.name,
            sample_rate_hz=RATE_HZ,
            languages=self._loaded.languages,
            cloning="optional",
            streaming="frame",
            voices=tuple(voices),
            max_text_chars=MAX_TEXT_CHARS,
            max_jobs=self._loaded.slots,
            options_schema=json_schema(FishOptions),
            codec=CodecInfo(codec.num_codebooks, codec.codebook_size, CODE_SAMPLES),
        )

    def _default_speaker(self) -> str | None:
        speaker: str | None = self._config.defaults.get("speaker")
        return speaker

    def _speakers(self) -> tuple[str, ...]:
        """Names of voices, the default first."""
        default = self._default_speaker()
        first = () if default is None else (default,)
        return (*first, *(name for name in self._model.speakers if name != default))

    def add(self, job: Job) -> None:
        """Cut and spell the text; codes of a new reference, and then of the text, come from later steps.

        :raises InvalidJob: for unknown voices and options, text that cannot be spelled or is too long for the model,
            and references that are no voice.
        """
        options = read_options(self._config.defaults, job.options)
        self._check_voice(job, options)
        require_letters(job.text, self._loaded.languages, self._config.name)
        given = self._given_codes(options)
        voiced = job.reference is not None or given is not None
        pieces, chained = self._pieces(job, options, voiced)
        longest = max(piece.text_rows.shape[1] for piece in pieces)
        room = self._loaded.room - longest
        voice: Codes | None = NO_CODES
        if given is not None:
            require_room(given.shape[1], room, "options.prompt_tokens")
            voice = given
        elif job.reference is not None:
            voice = self._references.ask(job.id, job.reference, room)
        speaking = Speaking(job.id, pieces, voice, chained, job.speed, job.stream)
        self._speaking[job.id] = speaking
        self._options[job.id] = options
        try:
            if voice is not None:
                self._generate(speaking, range(1 if chained else len(pieces)))
        except InvalidJob:
            self.abort(job.id)
            raise

    def _check_voice(self, job: Job, options: FishOptions) -> None:
        for key in VOICE_OPTIONS:
            if job.reference is not None and job.options.get(key) is not None:
                raise InvalidJob("a request has one voice: a reference or this", param=f"options.{key}")
        if options.prompt_text is not None and options.prompt_tokens is None:
            raise InvalidJob("is what is said in prompt_tokens, which are missing", param="options.prompt_text")
        if job.reference is None and job.voice not in (None, RANDOM, *self._speakers()):
            known = ", ".join((RANDOM, *self._speakers()))
            raise InvalidJob(f"{self._config.name} has no voice {job.voice!r}; it has {known}", param="voice")

    def _speaker(self, job: Job, options: FishOptions) -> str | None:
        """Whose name the prompt has: that of the request, else its voice, else the default where it has none."""
        if job.options.get("speaker") is not None:
            return options.speaker
        if job.reference is not None or job.voice == RANDOM or options.prompt_tokens is not None:
            return None
        return job.voice or options.speaker

    def _transcript(self, job: Job, options: FishOptions, order: Order) -> str:
        """What is said in the job's voice, as it stands in a prompt."""
        text, param = options.prompt_text, "options.prompt_text"
        if job.reference is not None:
            text, param = job.reference.text, "reference_text"
        if not text:
            return ""
        try:
            require_letters(text, self._loaded.languages, self._config.name)
        except InvalidJob as error:
            raise InvalidJob(error.message, param=param, needs_languages=error.needs_languages) from None
        spelled = self._loaded.speller.transcript(plain(text), options, order, param)
        if len(self._loaded.speller.tokenizer.encode(spelled)) > self._loaded.room // 2:
            raise InvalidJob(f"takes more than half of the {self._loaded.room} tokens there is room for", param=param)
        return spelled

    def _given_codes(self, options: FishOptions) -> Codes | None:
        if options.prompt_tokens is None:
            return None
        return read_codes(options.prompt_tokens, self._loaded.codec.codebook_size, "options.prompt_tokens")

    def _pieces(self, job: Job, options: FishOptions, voiced: bool) -> tuple[list[Piece], bool]:
        """The text's pieces, spelled; and whether the first one's voice prompts the others."""
        speaker, speller = self._speaker(job, options), self._loaded.speller
        order = parse_order(options.order)
        if job.language is not None and "order" not in job.options:
            first = OWN_NAMES.get(job.language.split("-", 1)[0].lower(), order[0])
            order = (first, *(name for name in order if name != first))
        transcript = self._transcript(job, options, order)
        text, origins = with_origins(job.text)
        spans = split_text(text, options.chunk_length) if options.chunk_length else [(0, len(text))]
        if not spans:
            raise InvalidJob("there is nothing to say in it", param="text")
        if max(end - start for start, end in spans) > CHARS_PER_TOKEN * self._loaded.room:  # not worth spelling
            raise self._too_long()
        spelled = piece_texts(text, spans, order) if options.use_g2p else [text[start:end] for start, end in spans]
        chained = len(spans) > 1 and not voiced and speaker is None
        pieces = []
        for index, ((start, end), piece) in enumerate(zip(spans, spelled, strict=True)):
            rows = speller.rows(piece, transcript, options, speaker, order)
            if rows.shape[1] > self._loaded.room:
                raise self._too_long()
            pieces.append(Piece((origins[start], origins[end]), rows, piece_seed(job.seed, index)))
            if chained and index == 0:
                transcript = speller.transcript(piece, options, order, "text")
        return pieces, chained

    def _too_long(self) -> InvalidJob:
        message = f"the text, in one piece, is longer than the {self._loaded.room} tokens there is room for"
        return InvalidJob(message, param="text")

    def _generate(self, speaking: Speaking, indices: range) -> None:
        """Hand pieces to the language model.

        :raises InvalidJob: one does not fit.
        """
        assert speaking.voice is not None  # noqa: S101 - asked for only once it is there
        options = self._options[speaking.job_id]
        for index in indices:
            piece = speaking.pieces[index]
            codes = NO_CODES if speaking.chained and index == 0 else speaking.voice
            sequence = Sequence(
                speaking.key(index),
                speaking.job_id,
                with_codes(piece.text_rows, codes, self._loaded.speller.tokenizer.pad_id),
                piece.seed,
                sampling_of(options),
                options.max_new_tokens,
            )
            self._loaded.generator.add(sequence)

    def convert(self, job: EncodeJob | DecodeJob) -> None:
        """Take a sound to encode, or codes to decode; a window at a time comes from later steps.

        :raises InvalidJob: they are of no use to the codec, or too long.
        """
        self._conversions.add(job)

    def step(self) -> collections.abc.Sequence[Event]:
        """Encode one reference that is waited for, generate one frame of each piece, decode one window.

        Of the codec's own jobs one sound has a window encoded; codes to decode share the decoder's windows.
        """
        if not self._speaking and not self._conversions:
            return ()
        events = [*self._encode(), *self._conversions.encode()]
        for grown in self._loaded.generator.step():
            job_id, _, index = grown.id.rpartition("/")
            if job_id in self._speaking:  # it may have failed by an earlier piece of this very step
                events += self._grew(self._speaking[job_id], int(index), grown.codes, grown.ended, grown.failure)
        for key, samples, last in self._loaded.decoder.step():
            speaking = self._speaking.get(key.rpartition("/")[0])
            if speaking is None:  # of a conversion, or failed by another piece of this very step
                events += self._conversions.heard(key, samples, last)
                continue
            if isinstance(samples, str):
                events.append(self._fail(speaking.job_id, f"the codec failed: {samples}"))
            else:
                events += self._heard(speaking, samples, last)
        return events

    def _encode(self) -> list[Event]:
        waiting = self._references.next()
        if waiting is None:
            return []
        digest, audio = waiting
        try:
            (codes,) = self._loaded.codec.encode([audio])
            reason = ""
        except FatalFault:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the jobs with this reference only
            codes, reason = None, f"the reference audio could not be encoded: {error}"
        events: list[Event] = []
        for job_id in self._references.encoded(digest, codes):
            speaking = self._speaking[job_id]
            if codes is None:
                events.append(self._fail(job_id, reason))
                continue
            speaking.voice = codes
            events += self._continue(speaking, range(len(speaking.pieces)))
        return events

    def _continue(self, speaking: Speaking, indices: range) -> list[Event]:
        try:
            self._generate(speaking, indices)
        except InvalidJob as error:
            return [self._fail(speaking.job_id, error.message)]
        return []

    def _grew(self, speaking: Speaking, index: int, codes: np.ndarray, ended: bool, failure: str | None) -> list[Event]:
        if failure is not None:
            return [self._fail(speaking.job_id, f"{self._config.name} could not speak: {failure}")]
        events: list[Event] = []
        pushes = speaking.grew(index, codes, ended)
        if ended and index == 0 and speaking.chained:
            longest = max(piece.text_rows.shape[1] for piece in speaking.pieces)
            said = speaking.codes_of(0)
            # A model that does not find its end fills all of its context; the others need room to speak.
            speaking.voice = NO_CODES if said is None else said[:, : (self._loaded.room - longest) // 2]
            events += self._continue(speaking, range(1, len(speaking.pieces)))
        self._push(speaking, pushes)
        return events

    def _heard(self, speaking: Speaking, samples: np.ndarray, last: bool) -> list[Event]:
        events, pushes = speaking.heard(samples, last)
        self._push(speaking, pushes)
        for event in events:
            if isinstance(event, (Finished, Failed)):
                self.abort(speaking.job_id)
        return events

    def _push(self, speaking: Speaking, pushes: collections.abc.Sequence[Push]) -> None:
        if speaking.job_id in self._speaking:  # it may have failed meanwhile
            for push in pushes:
                self._loaded.decoder.push(push.key, push.codes, push.last, speaking.early)

    def _fail(self, job_id: str, reason: str) -> Failed:
        self.abort(job_id)
        return Failed(job_id, reason)

    def abort(self, job_id: str) -> None:
        """Forget the job, its pieces and what it waits for."""
        speaking = self._speaking.pop(job_id, None)
        if speaking is not None:
            self._options.pop(job_id, None)
            self._references.forget(job_id)
            self._loaded.generator.remove(speaking.keys)
            self._loaded.decoder.remove(speaking.keys)
        else:
            self._conversions.remove(job_id)

    def close(self) -> None:
        """Let go of the models."""
        self._speaking.clear()
        self.__dict__.pop("_conversions", None)
        self.__dict__.pop("_loaded", None)  # there is none where loading failed


def _check_speakers(names: tuple[str, ...], where: str) -> None:
    for name in names:
        if name == RANDOM:
            raise LoadError(f"configuration key {where}: {RANDOM!r} is a voice of the engine itself")
        if names.count(name) > 1:
            raise LoadError(f"configuration key {where}: {name!r} is listed twice")
        try:
            check_speaker(name)
        except InvalidJob as error:
            raise LoadError(f"configuration key {where}: {name!r}: {error.message}") from None
