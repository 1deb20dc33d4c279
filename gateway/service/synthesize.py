"""Synthesizer: resolves engine and voice, validates every parameter, and starts the speech."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backends.base import BuiltinVoice, Capabilities, Job, Reference
from backends.errors import InvalidJob
from backends.text import cannot_speak
from gateway.audio.formats import check_bitrate, choose_rate, get_format
from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.engine.fair_queue import Priority
from gateway.errors import InvalidRequest, NothingToSpeak, VoiceNotFound
from gateway.metrics import Metrics
from gateway.service.clips import ClipReader
from gateway.service.engine_options import check_options
from gateway.service.hints import engines_for, engines_that
from gateway.service.request import MAX_SEED, MAX_SPEED, MIN_SPEED, SpeechRequest, VoiceSpec
from gateway.service.speech import Backlog, CompleteSpeech, Speech, SpeechInfo, SpokenPassage, shortest_s
from gateway.settings import Limits
from gateway.text.lexicons.store import LexiconStore
from gateway.text.sections import Passage, Pause, PreparedText
from gateway.text.segments import has_speech
from gateway.text.stage import TextOptions, prepare, select_categories
from gateway.voices.store import VoiceStore, find_name

SILENCE_S = 0.2  # for a text without anything to speak: long enough for players and codecs
INLINE_CHARS = 200


@dataclass(frozen=True, slots=True)
class ResolvedRequest:
    """A validated request with engine, voice and output format resolved, without its text.

    :param reference: the decoded clip to clone; None for a built-in voice.
    :param text_options: for the text stage.
    :param max_text_chars: longest text.
    :param traces: see :class:`gateway.service.speech.Speech`.
    :param priority: see :class:`gateway.engine.admission.Admission`.
    """

    spec: VoiceSpec
    engine: ConfiguredEngine
    capabilities: Capabilities
    info: SpeechInfo
    reference: Reference | None
    text_options: TextOptions
    max_text_chars: int
    traces: bool = False
    priority: Priority = "interactive"


class Synthesizer:
    """Turn requests into speech."""

    def __init__(
        self,
        engines: Engines,
        voices: VoiceStore,
        lexicons: LexiconStore,
        clips: ClipReader,
        limits: Limits,
        metrics: Metrics,
    ):
        self._engines = engines
        self._voices = voices
        self._lexicons = lexicons
        self._clips = clips
        self._limits = limits
        self._metrics = metrics
        self._backlog = Backlog(limits.backlog_bytes)
        self._job_ids = itertools.count(1)

    @property
    def backlog(self) -> Backlog:
        """Audio that clients have not read yet; responses count here too."""
        return self._backlog

    async def open(
        self,
        request: SpeechRequest,
        or_silence: bool = False,
        deadline_at: float | None = None,
        traces: bool = False,
    ) -> Speech:
        """Start a speech and wait for its first output. The caller must close the speech.

        :param or_silence: speak a text without a letter or a digit as a short silence, with a note in its info.
        :param deadline_at: end of ``limits.deadline_s`` on the event loop's clock; default: counted from now.
        :param traces: see :class:`gateway.service.speech.Speech`.
        :raises GatewayError: if the request is invalid or synthesis fails before the first output.
        """
        self._check_length(request.text, self._limits.text_chars)
        deadline_at = deadline_at or asyncio.get_running_loop().time() + self._limits.deadline_s
        resolved = replace(await self.resolve(request, deadline_at), traces=traces, priority=request.priority)
        try:
            return await self.open_text(resolved, request.text, deadline_at=deadline_at)
        except NothingToSpeak:
            if not or_silence:
                raise
        note = f"text has nothing to speak: {SILENCE_S:g} s of silence"
        silent = replace(resolved, info=replace(resolved.info, note=note))
        return await self._speech(silent, [Pause(SILENCE_S, 0)], deadline_at).start()

    async def open_text(
        self, resolved: ResolvedRequest, text: str, start: int = 0, deadline_at: float | None = None
    ) -> Speech:
        """Start a speech of a resolved request, as :meth:`open`. Several texts can share one resolved request.

        :param start: position of the text in the user's whole text, for errors.
        :raises GatewayError: if the text is invalid or synthesis fails before the first audio.
        """
        return await (await self._prepare_speech(resolved, text, start, deadline_at)).start()

    async def speak(
        self, request: SpeechRequest, or_silence: bool = False, deadline_at: float | None = None
    ) -> CompleteSpeech:
        """Synthesize a complete audio file.

        :param or_silence: see :meth:`open`.
        :param deadline_at: see :meth:`open`.
        :raises GatewayError: if the request is invalid or synthesis fails.
        """
        speech = await self.open(request, or_silence, deadline_at)
        try:
            data, duration_s = await speech.read()
        finally:
            await speech.aclose()
        return CompleteSpeech(speech.info, data, duration_s, speech.spoken_text)

    async def inspect(self, spec: VoiceSpec, text: str, deadline_at: float | None = None) -> PreparedText:
        """Run the text stage only. The result has the characters that the engine cannot speak; nothing is spoken.

        :param deadline_at: end of the wait for the engine, on the event loop's clock.
        :raises GatewayError: if a field or the markup is invalid, or the engine is unavailable.
        """
        engine = self._engines.get(spec.engine)
        capabilities = await engine.capabilities(deadline_at)
        self._check_language(spec.language, engine, capabilities)
        self._check_length(text, self._limits.text_chars)
        default = _default_voice(spec, capabilities)
        voice = spec.voice or (default.name if default else "")
        options = await self._text_options(spec, capabilities)
        return await _prepared(text, options, capabilities, voice)

    async def resolve(self, spec: VoiceSpec, deadline_at: float | None = None) -> ResolvedRequest:
        """Resolve and validate a request apart from its text, and decode its reference clip.

        :param deadline_at: end of the wait for the engine, on the event loop's clock.
        :raises GatewayError: naming the invalid field, or the reason why the engine is unavailable.
        """
        engine = self._engines.get(spec.engine)
        fmt = get_format(spec.format)
        self._backlog.check()
        capabilities = await engine.capabilities(deadline_at)
        self._check_language(spec.language, engine, capabilities)
        text_options = await self._text_options(spec, capabilities)
        voice, reference = await self._voice(spec, engine, capabilities, text_options)
        check_options(spec.options, capabilities.options_schema)
        check_bitrate(fmt, spec.bitrate)
        info = SpeechInfo(
            engine=engine.name,
            model=capabilities.model,
            voice=voice,
            seed=secrets.randbelow(MAX_SEED + 1) if spec.seed is None else spec.seed,
            format=fmt,
            sample_rate_hz=choose_rate(fmt, capabilities.sample_rate_hz, spec.sample_rate),
            bitrate_kbps=spec.bitrate,
            approximate_cloning=reference is not None and capabilities.cloning == "approximate",
        )
        max_text_chars = min(self._limits.text_chars, capabilities.max_text_chars)
        return ResolvedRequest(spec, engine, capabilities, info, reference, text_options, max_text_chars)

    async def codes_job(self, request: SpeechRequest, deadline_at: float) -> tuple[ResolvedRequest, Job]:
        """Validate a request for codes and make its job.

        :param deadline_at: end of the wait for the engine, on the event loop's clock.
        :raises GatewayError: naming the invalid field, or the reason why the engine is unavailable.
        """
        resolved = await self.resolve(request, deadline_at)
        codec = resolved.capabilities.codec
        if codec is None or not codec.generates:
            others = engines_that(self._engines, lambda other: other.codec is not None and other.codec.generates)
            raise InvalidRequest(f"engine {resolved.engine.name!r} cannot return codes{others}", param="engine")
        match await self._parts(resolved, request.text, start=0):
            case [SpokenPassage(job=job)]:
                return resolved, replace(job, codes_only=True)
        raise InvalidRequest("has a pause, which codes cannot express: remove [pause:…]", param="text")

    async def _prepare_speech(
        self, resolved: ResolvedRequest, text: str, start: int, deadline_at: float | None
    ) -> Speech:
        self._backlog.check()
        return self._speech(resolved, await self._parts(resolved, text, start), deadline_at)

    async def _parts(self, resolved: ResolvedRequest, text: str, start: int) -> list[SpokenPassage | Pause]:
        """Run the text stage and make the jobs of its passages."""
        self._check_length(text, self._limits.text_chars)
        engine, capabilities = resolved.engine, resolved.capabilities
        prepared = await _prepared(text, resolved.text_options, capabilities, resolved.info.voice)
        self._check_speakable(prepared, engine, "text", start)
        for passage in prepared.passages:
            self._check_length(passage.text.text, capabilities.max_text_chars)
        return [
            await self._passage(resolved, section) if isinstance(section, Passage) else section
            for section in prepared.sections
        ]

    def _speech(
        self, resolved: ResolvedRequest, parts: Sequence[SpokenPassage | Pause], deadline_at: float | None
    ) -> Speech:
        return Speech(
            resolved.info,
            parts,
            resolved.engine,
            engine_rate_hz=resolved.capabilities.sample_rate_hz,
            deadline_s=self._limits.deadline_s,
            deadline_at=deadline_at,
            metrics=self._metrics,
            backlog=self._backlog,
            translate_error=lambda error, stored_voice: self._translate_error(error, resolved.engine, stored_voice),
            traces=resolved.traces,
            priority=resolved.priority,
        )

    async def _passage(self, resolved: ResolvedRequest, passage: Passage) -> SpokenPassage:
        """Make the job of a passage; what SSML sets for it takes precedence."""
        spec, voice, reference = resolved.spec, resolved.info.voice, resolved.reference
        if passage.voice is not None:
            other = VoiceSpec(voice=passage.voice)
            voice, reference = await self._voice(other, resolved.engine, resolved.capabilities, resolved.text_options)
        if passage.language is not None:
            self._check_language(passage.language, resolved.engine, resolved.capabilities, param="text")
        job = Job(
            id=str(next(self._job_ids)),
            text=passage.text.text,
            seed=resolved.info.seed,
            speed=min(max(spec.speed * passage.speed, MIN_SPEED), MAX_SPEED),
            language=passage.language or spec.language,
            voice=None if reference else voice,
            reference=reference,
            stream=spec.stream,
            options=spec.options,
        )
        can = resolved.capabilities
        is_limited = can.limits_length(spec.options)
        is_stored = reference is not None and (passage.voice is not None or spec.reference_audio is None)
        return SpokenPassage(
            job,
            passage.text,
            passage.read_as,
            gain=10.0 ** ((spec.volume + passage.gain_db) / 20.0),
            stored_voice=voice if is_stored else None,
            min_s=0.0 if is_limited else shortest_s(job.text, can.min_letter_s, job.speed),
            is_limited=is_limited,
        )

    def _check_speakable(self, prepared: PreparedText, engine: ConfiguredEngine, param: str, start: int = 0) -> None:
        for refusal in prepared.refused:
            error = cannot_speak(engine.name, refusal.char, start + refusal.position, param)
            raise self._translate_error(error, engine)

    async def _text_options(self, spec: VoiceSpec, capabilities: Capabilities) -> TextOptions:
        names = spec.lexicons
        has_lexicons = names or (names is None and self._lexicons.default)
        lexicons = await asyncio.to_thread(self._lexicons.select, names) if has_lexicons else ()
        speaker = _default_voice(spec, capabilities) if spec.voice is None else _built_in(spec.voice, capabilities)
        language = spec.language
        if language is None and speaker is not None and speaker.language in capabilities.languages:
            language = speaker.language
        return TextOptions(language, select_categories(spec.normalize), spec.ssml, lexicons)

    def _check_length(self, text: str, limit: int) -> None:
        if len(text) > limit:
            raise InvalidRequest(f"the text has {len(text)} characters: the limit is {limit}", param="text")

    async def _voice(
        self, spec: VoiceSpec, engine: ConfiguredEngine, capabilities: Capabilities, text_options: TextOptions
    ) -> tuple[str, Reference | None]:
        """The voice's name, and its reference if it is cloned."""
        if spec.reference_audio is not None:
            self._check_cloning(engine, capabilities, param="reference_audio")
            if spec.voice is not None:
                raise InvalidRequest("cannot be combined with reference_audio: send one of them", param="voice")
            reference = await self._reference(spec, spec.reference_audio)
            return "reference", await self._with_spoken_transcript(reference, engine, capabilities, text_options)
        if spec.reference_text is not None:
            raise InvalidRequest("requires reference_audio", param="reference_text")
        built_in = [voice.name for voice in capabilities.voices]
        if spec.voice is None:
            if (default := _default_voice(spec, capabilities)) is None:
                raise InvalidRequest(f"required: engine {engine.name!r} has no built-in voice", param="voice")
            return default.name, None
        found = find_name(spec.voice, built_in)
        if found is not None and capabilities.cloning == "none":
            return found, None
        try:  # a stored voice takes precedence: it had the name before the engine was known
            voice = await asyncio.to_thread(self._voices.get, spec.voice)
        except VoiceNotFound:
            if found is not None:
                return found, None
            raise VoiceNotFound(
                f"unknown voice {spec.voice!r}: must be a stored voice's name or ID, or a built-in voice of engine "
                f"{engine.name!r} ({', '.join(built_in) or 'it has none'})",
                param="voice",
            ) from None
        self._check_cloning(engine, capabilities, param="voice")
        reference = await asyncio.to_thread(self._voices.load_reference, voice)
        try:
            return voice.name, await self._with_spoken_transcript(reference, engine, capabilities, text_options)
        except InvalidRequest as error:
            raise InvalidRequest(f"the transcript of voice {voice.name!r}: {error.message}", param="voice") from None

    async def _reference(self, spec: VoiceSpec, audio: bytes) -> Reference:
        clip = await self._clips.read_voice(audio, param="reference_audio")
        text = (spec.reference_text or "").strip()
        content = clip.samples.tobytes() + f"\0{clip.rate_hz}\0{text}".encode()
        digest = hashlib.sha256(content).hexdigest()
        return Reference(clip.samples, clip.rate_hz, text, digest)

    async def _with_spoken_transcript(
        self, reference: Reference, engine: ConfiguredEngine, capabilities: Capabilities, text_options: TextOptions
    ) -> Reference:
        """The reference with its transcript as it was spoken, which is what engines compare the audio with.

        :raises InvalidRequest: if the engine cannot speak the transcript.
        """
        if not has_speech(reference.text):
            return reference
        prepared = await _prepared(reference.text, replace(text_options, ssml=False), capabilities)
        self._check_speakable(prepared, engine, "reference_text")
        if (spoken := prepared.spoken_text) == reference.text:
            return reference
        digest = hashlib.sha256(f"{reference.digest}\0{spoken}".encode()).hexdigest()
        return replace(reference, text=spoken, digest=digest)

    def _check_cloning(self, engine: ConfiguredEngine, capabilities: Capabilities, param: str) -> None:
        if capabilities.cloning == "none":
            others = engines_that(self._engines, lambda other: other.cloning != "none")
            raise InvalidRequest(f"engine {engine.name!r} cannot clone voices{others}", param=param)

    def _check_language(
        self, tag: str | None, engine: ConfiguredEngine, capabilities: Capabilities, param: str = "language"
    ) -> None:
        if tag is None:
            return
        language = tag.split("-", 1)[0].lower()
        if language not in capabilities.languages:
            others = engines_for(self._engines, [language])
            raise InvalidRequest(
                f"engine {engine.name!r} does not support {language}, only {', '.join(capabilities.languages)}{others}",
                param=param,
            )

    def _translate_error(
        self, error: Exception, engine: ConfiguredEngine, stored_voice: str | None = None
    ) -> Exception:
        """Convert an engine's refusal to an error that lists engines with the missing capability.

        :param stored_voice: the voice to name in an error of its recording or transcript.
        """
        if not isinstance(error, InvalidJob):
            return error
        message = error.message
        if error.needs_languages:
            message += engines_for(self._engines, error.needs_languages)
        if stored_voice is not None and error.param in ("reference_audio", "reference_text"):
            return InvalidRequest(f"engine {engine.name!r} cannot use {stored_voice!r}: {message}", param="voice")
        return InvalidRequest(message, param=error.param)


def _built_in(name: str, capabilities: Capabilities) -> BuiltinVoice | None:
    found = find_name(name, [voice.name for voice in capabilities.voices])
    return next((voice for voice in capabilities.voices if voice.name == found), None)


def _default_voice(spec: VoiceSpec, capabilities: Capabilities) -> BuiltinVoice | None:
    """The first built-in voice of the request's language, or else the first of all."""
    language = spec.language and spec.language.split("-", 1)[0].lower()
    own = (voice for voice in capabilities.voices if voice.language.split("-", 1)[0].lower() == language)
    return next(own, next(iter(capabilities.voices), None))


async def _prepared(text: str, options: TextOptions, capabilities: Capabilities, voice: str = "") -> PreparedText:
    """Run the text stage; a short text, which takes at most some 2 ms, without the cost of a thread."""
    if len(text) <= INLINE_CHARS:
        return prepare(text, options, capabilities, voice)
    return await asyncio.to_thread(prepare, text, options, capabilities, voice)
