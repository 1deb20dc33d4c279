"""Configuration of the lite engine. hibari-tts is imported by ``load``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from backends.base import BuiltinVoice, EngineConfig, EnginePlugin, Progress, no_progress
from backends.configuration import check_device, check_references
from backends.errors import InvalidConfig, LoadError
from backends.hub import Hub, HubSettings
from backends.options import Options, parse_config

if TYPE_CHECKING:
    from backends.lite.engine import LiteEngine

VOICE = "heart"


class LiteConfig(Options, frozen=True):
    """The ``model:`` block.

    :param voices: reference to the ONNX file of each voice, about 60 MB of memory each; null selects the file in
        hibari-tts's wheel, which has only "heart". The first voice is the default.
    """

    voices: dict[str, str | None] = msgspec.field(default_factory=lambda: {VOICE: None})


class LiteOptions(Options, frozen=True):
    """Per-request options."""

    pause_s: Annotated[float, Meta(ge=0, le=5, description="silence added between sentences, in seconds")] = 0.0


class LitePlugin(EnginePlugin):
    """Configuration of the lite engine: voices and their files."""

    def __init__(self, config: EngineConfig):
        where = f"{config.where}.model"
        self._voices = parse_config(LiteConfig, config.model, where).voices
        if not self._voices:
            raise InvalidConfig(f"{where}.voices", f"must name at least one voice, e.g. {VOICE}: null")
        parse_config(LiteOptions, config.defaults, f"{config.where}.defaults")
        check_device(config)
        check_references(self._voices, f"{where}.voices")
        self._config = config
        self._hub = Hub(HubSettings.from_environment(config.hub))

    def known_voices(self) -> tuple[BuiltinVoice, ...]:
        """The configured voices."""
        return tuple(BuiltinVoice(name, "en") for name in self._voices)

    def load(self, progress: Progress = no_progress) -> LiteEngine:
        """Load the ONNX graph of each voice and the lexicons; speak a word as warm-up."""
        try:
            from backends.lite.engine import LiteEngine, load_voices
        except ImportError as error:
            raise LoadError(f"the lite engine needs hibari-tts: pip install 'voxgate[lite]' ({error})") from error
        where = f"{self._config.where}.model.voices"
        voices = load_voices(self._voices, self._hub, self._config.threads or 1, where, progress)
        return LiteEngine(voices, self._config.defaults)
