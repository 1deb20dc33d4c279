"""Fish-Speech 0.2 as a generation; see :mod:`backends.fish.generation`. Torch is imported by the ``load`` methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backends.base import Cloning, EngineConfig, Progress
from backends.errors import InvalidConfig, InvalidJob, LoadError
from backends.fish.options import RANDOM_VOICE
from backends.fish.v0_2.config import CODE_OFFSET, SIZES, ModelConfig, read_lm_config
from backends.fish.v0_2.options import FishV02Options
from backends.fish.v0_2.text.prompt import check_speaker
from backends.hub import Hub
from backends.options import parse_config

if TYPE_CHECKING:
    import torch

    from backends.fish.generation import Codec, FrontEnd, LanguageModelEngine, Pipeline
    from backends.fish.v0_2.loading import Loader


FILES = ("codec_checkpoint", "lm_checkpoint", "tokenizer")  # keys of references


class FishV02:
    """Generation 0.2.

    :param model: the ``model:`` block.
    :param where: its place in the configuration, e.g. ``engines.fish.model``.
    :raises InvalidConfig: naming the key.
    """

    sizes = SIZES
    options = FishV02Options

    def __init__(self, model: Mapping[str, Any], where: str):
        self._where = where
        self._config = parse_config(ModelConfig, model, where)
        self._lm_config = read_lm_config(self._config.lm_config, f"{where}.lm_config")
        _check_speakers(self._config.speakers, f"{where}.speakers")
        if (self._config.max_tokens or 0) > (context := self._lm_config.max_seq_len):
            fault = f"{self._config.max_tokens} exceeds the model's context of {context} tokens"
            raise InvalidConfig(f"{where}.max_tokens", fault)

    @property
    def files(self) -> Mapping[str, str]:
        """References of the files that :meth:`load` fetches, by configuration key."""
        return {key: getattr(self._config, key) for key in FILES}

    @property
    def speakers(self) -> tuple[str, ...]:
        """Speakers that the checkpoint was fine-tuned on."""
        return self._config.speakers

    @property
    def cloning(self) -> Cloning:
        """See :class:`backends.base.Capabilities`."""
        return self._config.cloning

    @property
    def languages(self) -> tuple[str, ...] | None:
        """The configured languages; None: all whose dictionaries are installed."""
        return self._config.languages

    @property
    def lm_codebook_size(self) -> int:
        """Codes the language model can be prompted with are in ``range(lm_codebook_size)``."""
        return self._lm_config.codebook_size - CODE_OFFSET

    def load(self, config: EngineConfig, progress: Progress) -> Pipeline:
        """See :class:`backends.fish.generation.Generation`."""
        return self._loader().load(config, progress)

    def load_codec(self, hub: Hub, device: torch.device, progress: Progress) -> Codec:
        """See :class:`backends.fish.generation.Generation`."""
        return self._loader().load_codec(hub, device, progress)

    def load_lm(
        self, hub: Hub, device: torch.device, dtype: torch.dtype, progress: Progress
    ) -> tuple[str, FrontEnd, LanguageModelEngine]:
        """See :class:`backends.fish.generation.Generation`."""
        return self._loader().load_lm(hub, device, dtype, progress)

    def _loader(self) -> Loader:
        try:
            from backends.fish.v0_2.loading import Loader
        except ImportError as error:
            raise LoadError(f"the fish engine needs torch and other packages: make install-fish ({error})") from error
        return Loader(self._config, self._lm_config, self._where)


def _check_speakers(names: tuple[str, ...], where: str) -> None:
    for name in names:
        if name == RANDOM_VOICE:
            raise InvalidConfig(where, f"{RANDOM_VOICE!r} is reserved for the engine's own voice")
        if names.count(name) > 1:
            raise InvalidConfig(where, f"{name!r} is listed twice")
        try:
            check_speaker(name)
        except InvalidJob as error:
            raise InvalidConfig(where, f"{name!r}: {error.message}") from None
