"""Synthesizer: resolves engine and voice, validates every parameter, and starts the speech."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jsonschema

from backends.base import Capabilities, Job, Reference
from backends.errors import InvalidJob
from gateway.audio.formats import check_bitrate, choose_rate, get_format
from gateway.engine.catalog import ConfiguredEngine, Engines
from gateway.errors import InvalidRequest, VoiceNotFound
from gateway.metrics import Metrics
from gateway.service.clips import ClipReader
from gateway.service.request import MAX_SEED, SpeechRequest, VoiceSpec
from gateway.service.speech import Backlog, Speech, SpeechInfo
from gateway.settings import Limits
from gateway.voices.store import VoiceStore


@dataclass(frozen=True, slots=True)
class ResolvedRequest:
    """A validated request with engine, voice and output format resolved, without its text.

    :param reference: the decoded clip to clone; None for a built-in voice.
    :param max_text_chars: longest text.
    """

    spec: VoiceSpec
    engine: ConfiguredEngine
    capabilities: Capabilities
    info: SpeechInfo
    reference: Reference | None
    max_text_chars: int


class Synthesizer:
    """Turn requests into speech."""

    def __init__(self, engines: Engines, voices: VoiceStore, clips: ClipReader, limits: Limits, metrics: Metrics):
        self._engines = engines
        self._voices = voices
        self._clips = clips
        self._limits = limits
        self._metrics = metrics
        self._backlog = Backlog(limits.backlog_bytes)
        self._job_ids = itertools.count(1)

    async def open(self, request: SpeechRequest) -> Speech:
        """Start a speech and wait for its first audio. The caller must close the speech.

        :raises GatewayError: if the request is invalid or synthesis fails before the first audio.
        """
        self._check_length(request.text, self._limits.text_chars)
        return await self.open_text(await self.resolve(request), request.text)

    async def open_text(self, resolved: ResolvedRequest, text: str) -> Speech:
        """Start a speech of a resolved request, as :meth:`open`. Several texts can share one resolved request.

        :raises GatewayError: if the text is invalid or synthesis fails before the first audio.
        """
        speech = self._prepare(resolved, text)
        try:
            await speech.start()
        except BaseException:
            await speech.aclose()
            raise
        return speech

    async def speak(self, request: SpeechRequest) -> tuple[SpeechInfo, bytes, float]:
        """Synthesize a complete audio file; return its properties, its bytes and its duration in seconds.

        :raises GatewayError: if the request is invalid or synthesis fails.
        """
        speech = await self.open(request)
        try:
            data, duration_s = await speech.read()
        finally:
            await speech.aclose()
        return speech.info, data, duration_s

    async def resolve(self, spec: VoiceSpec) -> ResolvedRequest:
        """Resolve and validate a request apart from its text, and decode its reference clip.

        :raises GatewayError: naming the invalid field, or the reason why the engine is unavailable.
        """
        engine = self._engines.get(spec.engine)
        fmt = get_format(spec.format)
        self._backlog.check()
        capabilities = self._capabilities(engine)
        voice, reference = await self._voice(spec, engine, capabilities)
        self._check_language(spec, engine, capabilities)
        self._check_options(spec.options, capabilities)
        check_bitrate(fmt, spec.bitrate)
        info = SpeechInfo(
            engine=engine.name,
            model=capabilities.model,
            voice=voice,
            seed=secrets.randbelow(MAX_SEED + 1) if spec.seed is None else spec.seed,
            format=fmt,
            sample_rate_hz=choose_rate(fmt, capabilities.sample_rate_hz, spec.sample_rate),
            bitrate_kbps=spec.bitrate,
        )
        max_text_chars = min(self._limits.text_chars, capabilities.max_text_chars)
        return ResolvedRequest(spec, engine, capabilities, info, reference, max_text_chars)

    def _prepare(self, resolved: ResolvedRequest, text: str) -> Speech:
        spec, engine, capabilities = resolved.spec, resolved.engine, resolved.capabilities
        self._backlog.check()
        self._check_length(text, self._limits.text_chars)
        self._check_length(text, capabilities.max_text_chars)
        job = Job(
            id=str(next(self._job_ids)),
            text=text,
            seed=resolved.info.seed,
            speed=spec.speed,
            language=spec.language,
            voice=None if resolved.reference else resolved.info.voice,
            reference=resolved.reference,
            stream=spec.stream,
            options=spec.options,
        )
        return Speech(
            resolved.info,
            job,
            engine,
            engine_rate_hz=capabilities.sample_rate_hz,
            deadline_s=self._limits.deadline_s,
            metrics=self._metrics,
            backlog=self._backlog,
            translate_error=lambda error: self._translate_error(error, engine),
            gain=10.0 ** (spec.volume / 20.0),
        )

    def _check_length(self, text: str, limit: int) -> None:
        if len(text) > limit:
            raise InvalidRequest(f"the text has {len(text)} characters: the limit is {limit}", param="text")

    def _capabilities(self, engine: ConfiguredEngine) -> Capabilities:
        """The engine's capabilities, known once it has been loaded."""
        if (capabilities := engine.client.capabilities) is not None:
            return capabilities
        engine.client.ensure_loading()
        raise engine.client.unavailable_error()

    async def _voice(
        self, spec: VoiceSpec, engine: ConfiguredEngine, capabilities: Capabilities
    ) -> tuple[str, Reference | None]:
        """The voice's name, and its reference if it is cloned."""
        if spec.reference_audio is not None:
            self._check_cloning(engine, capabilities, param="reference_audio")
            if spec.voice is not None:
                raise InvalidRequest("cannot be combined with reference_audio: send one of them", param="voice")
            return "reference", await self._reference(spec, spec.reference_audio)
        if spec.reference_text is not None:
            raise InvalidRequest("requires reference_audio", param="reference_text")
        built_in = [voice.name for voice in capabilities.voices]
        if spec.voice is None:
            if not built_in:
                raise InvalidRequest(f"required: engine {engine.name!r} has no built-in voice", param="voice")
            return built_in[0], None
        if spec.voice in built_in:
            return spec.voice, None
        try:
            voice = await asyncio.to_thread(self._voices.get, spec.voice)
        except VoiceNotFound:
            raise VoiceNotFound(
                f"unknown voice {spec.voice!r}: must be a stored voice's name or ID, or a built-in voice of engine "
                f"{engine.name!r} ({', '.join(built_in) or 'it has none'})",
                param="voice",
            ) from None
        self._check_cloning(engine, capabilities, param="voice")
        return voice.name, await asyncio.to_thread(self._voices.load_reference, voice)

    async def _reference(self, spec: VoiceSpec, audio: bytes) -> Reference:
        clip = await self._clips.read(audio, param="reference_audio")
        text = (spec.reference_text or "").strip()
        content = clip.samples.tobytes() + f"\0{clip.rate_hz}\0{text}".encode()
        digest = hashlib.sha256(content).hexdigest()
        return Reference(clip.samples, clip.rate_hz, text, digest)

    def _check_cloning(self, engine: ConfiguredEngine, capabilities: Capabilities, param: str) -> None:
        if capabilities.cloning == "none":
            others = self._engines_that(lambda other: other.cloning != "none")
            raise InvalidRequest(f"engine {engine.name!r} cannot clone voices{others}", param=param)

    def _check_language(self, spec: VoiceSpec, engine: ConfiguredEngine, capabilities: Capabilities) -> None:
        if spec.language is None:
            return
        language = spec.language.split("-", 1)[0].lower()
        if language not in capabilities.languages:
            others = self._engines_that(lambda other: language in other.languages)
            raise InvalidRequest(
                f"engine {engine.name!r} does not support {language}, only {', '.join(capabilities.languages)}{others}",
                param="language",
            )

    def _check_options(self, options: dict[str, Any], capabilities: Capabilities) -> None:
        if not options:
            return  # the common case; the engine validates again after merging its defaults
        validator = jsonschema.Draft202012Validator(capabilities.options_schema)
        error = jsonschema.exceptions.best_match(validator.iter_errors(options))
        if error is None:
            return
        path = [str(part) for part in error.absolute_path]
        message = error.message
        if error.validator == "additionalProperties" and isinstance(error.instance, dict):
            known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
            path.append(next(key for key in error.instance if key not in known))
            message = f"unknown option; this engine's options: {', '.join(sorted(known)) or '(none)'}"
        raise InvalidRequest(message, param=".".join(["options", *path]))

    def _translate_error(self, error: Exception, engine: ConfiguredEngine) -> Exception:
        """Convert an engine's refusal to an error that lists engines with the missing capability."""
        if not isinstance(error, InvalidJob):
            return error
        message = error.message
        if needed := set(error.needs_languages):
            others = self._engines_that(lambda other: not needed.isdisjoint(other.languages))
            message += others or f"; no loaded engine supports {' or '.join(error.needs_languages)}"
        return InvalidRequest(message, param=error.param)

    def _engines_that(self, can: Callable[[Capabilities], bool]) -> str:
        """``; engines that can: …`` with the engines whose known capabilities satisfy ``can``; else empty."""
        loaded = ((engine.name, engine.client.capabilities) for engine in self._engines)
        names = [name for name, capabilities in loaded if capabilities and can(capabilities)]
        return f"; engines that can: {', '.join(names)}" if names else ""
