"""What the names of models and voices in other APIs stand for here."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.engine.catalog import Engines
from gateway.errors import EngineNotFound, VoiceNotFound
from gateway.service.classic.models import ClassicModels
from gateway.settings import AliasSettings
from gateway.voices.store import VoiceStore

# What client libraries send for want of better: it tells nothing about what their user wants.
CLIENT_MODELS = frozenset(
    {
        "tts-1",
        "tts-1-1106",
        "tts-1-hd",
        "tts-1-hd-1106",
        "gpt-4o-mini-tts",
        "gpt-4o-mini-tts-2025-03-20",
        "gpt-4o-mini-tts-2025-12-15",
        "speech-1.5",
        "speech-1.6",
        "agent-x0",
        "s1",
        "s1-mini",
        "s2-pro",
    }
)
CLIENT_VOICES = frozenset(
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
    """Finds the engine and the voice that a name stands for.

    :ivar models: the configured names of models, and the engine of each.
    :ivar voices: the configured names of voices.
    """

    def __init__(self, settings: AliasSettings, engines: Engines, classic: ClassicModels, store: VoiceStore):
        self.models: Mapping[str, str] = settings.models
        self.voices: Mapping[str, str | dict[str, str]] = settings.voices
        self._engines = engines
        self._classic = classic
        self._store = store

    def engine(self, name: str) -> str:
        """The engine that a model's name stands for.

        That is, in this order, the engine of that name; what the settings say; the engine of a model that the classic
        Fish-Speech API serves; the default engine for what client libraries send of themselves.

        :raises EngineNotFound: listing the names there are.
        """
        engines = [engine.name for engine in self._engines]
        if name in engines:
            return name
        if found := self.models.get(name) or self._classic.engine_of(name):
            return found
        if name in CLIENT_MODELS:
            return self._engines.default
        served = [model.name for model in self._classic.listed()]
        known = ", ".join(sorted({*engines, *self.models, *served}))
        raise EngineNotFound(f"no model {name!r}; there are: {known}", param="model")

    def voice(self, engine: str, name: str) -> str | None:
        """The voice that a name stands for with an engine; None is the engine's default voice. May block on storage.

        A name that stands for nothing else is returned as it is; whether there is such a voice, the synthesizer
        tells. Only OpenAI's names are looked up, for they mean the default voice unless a voice has that name.
        """
        meant = self.voices.get(name, name)
        if not isinstance(meant, str):
            meant = meant.get(engine, name)
        if meant == name and name in CLIENT_VOICES and not self._is_voice(engine, name):
            return None
        return meant

    def _is_voice(self, engine: str, name: str) -> bool:
        capabilities = self._engines.get(engine).client.capabilities
        if capabilities and any(voice.name == name for voice in capabilities.voices):
            return True
        try:
            self._store.get(name)
        except VoiceNotFound:
            return False
        return True
