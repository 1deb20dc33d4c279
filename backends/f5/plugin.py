"""Configuration of the f5 engine. Torch is imported by ``load``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backends.base import BuiltinVoice, EngineConfig, EnginePlugin, Progress, no_progress
from backends.configuration import check_device, check_references
from backends.errors import LoadError
from backends.f5.builtin_voices import configured_voices
from backends.f5.config import F5Config
from backends.f5.options import F5Options
from backends.options import parse_config

if TYPE_CHECKING:
    from backends.f5.engine import F5Engine


class F5Plugin(EnginePlugin):
    """Configuration of the f5 engine: its files, languages and default options."""

    def __init__(self, config: EngineConfig):
        where = f"{config.where}.model"
        self._model = model = parse_config(F5Config, config.model, where)
        parse_config(F5Options, config.defaults, f"{config.where}.defaults")
        check_device(config, gpu=True)
        files = {"vocab": model.vocab, "vocoder": model.vocoder, "asr": model.asr, "voices": model.voices}
        check_references({"checkpoint": model.checkpoint, **files}, where)
        self._config = config

    def known_voices(self) -> Sequence[BuiltinVoice]:
        """The clips of f5-tts, or those of a local folder."""
        return configured_voices(self._model.voices, self._model.languages)

    def load(self, progress: Progress = no_progress) -> F5Engine:
        """Fetch the configured files and load them onto the device."""
        try:
            from backends.f5.engine import F5Engine
            from backends.f5.loading import load
        except ImportError as error:
            raise LoadError(f"the f5 engine needs f5-tts and torch: make install-f5 ({error})") from error
        return F5Engine(self._config, self._model, load(self._model, self._config, progress))
