"""Aliases: names of models and voices in other APIs, mapped to engines and voices."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.engine.catalog import Engines
from gateway.errors import EngineNotFound, VoiceNotFound
from gateway.service.classic.models import DEFAULT, ClassicModels
from gateway.settings import AliasSettings
from gateway.voices.store import VoiceStore, find_name

# Defaults of client libraries: they do not express a choice of the user.
OPENAI_MODELS = frozenset(
    {
        "tts-1",
        "tts-1-1106",
        "tts-1-hd",
        "tts-1-hd-1106",
        "gpt-4o-mini-tts",
        "gpt-4o-mini-tts-2025-03-20",
        "gpt-4o-mini-tts-2025-12-15",
    }
)
_FISH_MODEL = re.compile(r"(?:s|speech-|drama-|agent-x)\d+(?:\.\d+)?(?:-[a-z]+)*")  # s2.1-pro-free
_FISH_VOICE = re.compile(r"[0-9a-f]{32}")
OPENAI_VOICES = frozenset(
    {
        "alloy",
        "ash",
        "ballad",
        "cedar",
        "coral",
        "echo",
        "fable",
        "marin",
        "nova",
        "onyx",
        "sage",
        "shimmer",
        "verse",
    }
)


class Aliases:
    """Resolve names of other APIs to engines and voices.

    :ivar models: configured model aliases, mapped to engines.
    :ivar voices: configured voice aliases, mapped to voices, or to voices by engine.
    """

    def __init__(self, settings: AliasSettings, engines: Engines, classic: ClassicModels, store: VoiceStore):
        self.models: Mapping[str, str] = settings.models
        self.voices: Mapping[str, str | dict[str, str]] = settings.voices
        self._engines = engines
        self._classic = classic
        self._store = store

    def engine(self, name: str) -> str:
        """Resolve a model's name to an engine.

        In order of precedence: an engine of that name; a configured alias; for ``default`` the default engine; a model
        of the classic Fish-Speech API; the default engine, for the defaults of client libraries.

        :raises EngineNotFound: listing the known names.
        """
        engines = [engine.name for engine in self._engines]
        if name in engines:
            return name
        if name == DEFAULT and name not in self.models:
            return self._engines.default
        if found := self.models.get(name) or self._classic.engine_of(name):
            return found
        if name in OPENAI_MODELS or _FISH_MODEL.fullmatch(name):
            return self._engines.default
        served = [model.name for model in self._classic.listed()]
        known = ", ".join(sorted({*engines, *self.models, *served, DEFAULT}))
        raise EngineNotFound(f"unknown model {name!r}: must be one of {known}", param="model")

    def voice(self, engine: str, name: str) -> str | None:
        """Resolve a voice's name for an engine; None is the engine's default voice. May block on storage.

        A name without an alias is returned unchanged, and the synthesizer checks it. OpenAI's names are the exception:
        they mean the default voice unless a voice has that name. The case of names is ignored.
        """
        resolved = self.voices.get(find_name(name, self.voices) or name, name)
        if not isinstance(resolved, str):
            resolved = resolved.get(engine, name)
        if resolved == name and name.lower() in OPENAI_VOICES and not self._is_voice(engine, name):
            return None
        return resolved

    def is_foreign_voice(self, engine: str, reference_id: str) -> bool:
        """Whether an ID can only be that of a public voice of Fish Audio's own service. May block on storage."""
        return (
            _FISH_VOICE.fullmatch(reference_id) is not None
            and self.voice(engine, reference_id) == reference_id
            and not self._is_voice(engine, reference_id)
        )

    def _is_voice(self, engine: str, name: str) -> bool:
        capabilities = self._engines.get(engine).client.capabilities
        if capabilities and find_name(name, (voice.name for voice in capabilities.voices)):
            return True
        try:
            self._store.get(name)
        except VoiceNotFound:
            return False
        return True
