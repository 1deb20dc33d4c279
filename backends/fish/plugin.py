"""Configuration of the fish engine. Torch is imported by ``load``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.base import BuiltinVoice, EngineConfig, EnginePlugin, Progress, no_progress
from backends.configuration import check_device, check_references
from backends.fish.generation import Generation
from backends.fish.options import check_defaults
from backends.fish.v0_2.generation import FishV02
from backends.fish.voices import Voices

if TYPE_CHECKING:
    from backends.fish.engine import FishEngine


class FishPlugin(EnginePlugin):
    """Configuration of the fish engine: its generation of Fish-Speech, and default options."""

    def __init__(self, config: EngineConfig):
        self._generation: Generation = FishV02(config.model, f"{config.where}.model")
        check_defaults(self._generation.options, config.defaults, f"{config.where}.defaults")
        check_device(config, gpu=True)
        check_references(self._generation.files, f"{config.where}.model")
        self._voices = Voices(config.name, self._generation.speakers, config.defaults.get("speaker"))
        self._config = config

    def known_voices(self) -> tuple[BuiltinVoice, ...]:
        """The configured speakers, and the random voice."""
        return self._voices.builtin((self._generation.languages or ("",))[0])

    def load(self, progress: Progress = no_progress) -> FishEngine:
        """Fetch the checkpoints and load them onto the device."""
        pipeline = self._generation.load(self._config, progress)
        from backends.fish.engine import FishEngine  # imports torch, which is known to be installed by now

        return FishEngine(self._generation, pipeline, self._voices, self._config.defaults)
