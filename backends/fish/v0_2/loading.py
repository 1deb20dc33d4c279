"""Loading of generation 0.2: fetches the configured files and assembles codec, front end and language model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from backends.base import EngineConfig, Progress
from backends.common.device import dtype_name, pick_dtype
from backends.common.start import fetch, start_torch
from backends.errors import InvalidConfig, LoadError
from backends.fish.generation import Pipeline, Sequence
from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.codec.stream import StreamDecoder
from backends.fish.v0_2.codec.vqgan import VQGAN
from backends.fish.v0_2.config import CODE_OFFSET, CODEBOOKS, LMConfig, ModelConfig
from backends.fish.v0_2.front_end import FrontEnd
from backends.fish.v0_2.lm.checkpoint import load_language_model
from backends.fish.v0_2.lm.engine import MIN_FRAMES, LMEngine
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.symbols import SUBTAGS
from backends.fish.v0_2.text.tokenizer import Tokenizer, load_tokenizer
from backends.hub import Hub, HubSettings

# A decoding step reads all weights once, however many sequences it serves: a GPU has compute to spare for many.
SLOTS = {"cuda": 16, "cpu": 4}
WARM_UP_TOKENS, WARM_UP_FRAMES = 32, 64  # the codec's windows reach all their lengths within 64 frames
TOKENIZER_FILES = ("tokenizer*", "special_tokens_map.json", "added_tokens.json")


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads what one ``model:`` block names.

    :param where: place of the block in the configuration, e.g. ``engines.fish.model``.
    """

    config: ModelConfig
    lm_config: LMConfig
    where: str

    def load(self, engine: EngineConfig, progress: Progress) -> Pipeline:
        """Fetch and load everything, and warm it up.

        :raises LoadError: if a file is missing, or the parts do not fit together.
        """
        place = f"engines.{engine.name}"
        device = start_torch(engine, place)
        hub = Hub(HubSettings.from_environment(engine.hub))
        codec_path = fetch(hub, self.config.codec_checkpoint, progress)
        lm_path = fetch(hub, self.config.lm_checkpoint, progress)
        tokenizer = self._tokenizer(hub, progress)
        progress("loading the codec", 0, None)
        codec = load_vqgan(codec_path, device)
        self._check_codec(codec)
        dtype = pick_dtype(engine.dtype, device, place)
        name, lm = self._lm(lm_path, tokenizer, device, dtype, codec.codebook_size, progress)
        phonemizer = Phonemizer()
        progress("loading dictionaries", 0, None)
        use_g2p = engine.defaults.get("use_g2p", True)
        languages = available_languages(phonemizer, self.config.languages, use_g2p, self.where)
        max_prompt_tokens = lm.max_tokens - MIN_FRAMES
        front_end = FrontEnd(tokenizer, phonemizer, languages, max_prompt_tokens, engine.name)
        progress("warming up", 0, None)
        decoder = StreamDecoder(codec)
        _warm_up(lm, decoder, tokenizer.pad_id)
        return Pipeline(name, codec, decoder, lm, front_end, lm.slots, max_prompt_tokens, dtype_name(dtype))

    def load_codec(self, hub: Hub, device: torch.device, progress: Progress) -> VQGAN:
        """Fetch and load the codec alone.

        :raises LoadError: if the checkpoint is missing or is not a codec.
        """
        return load_vqgan(fetch(hub, self.config.codec_checkpoint, progress), device)

    def load_lm(
        self, hub: Hub, device: torch.device, dtype: torch.dtype, progress: Progress
    ) -> tuple[str, FrontEnd, LMEngine]:
        """Fetch and load the language model and its front end; dictionaries are loaded when they are needed.

        :raises LoadError: if a file is missing, or the parts do not fit together.
        """
        tokenizer = self._tokenizer(hub, progress)
        path = fetch(hub, self.config.lm_checkpoint, progress)
        name, lm = self._lm(path, tokenizer, device, dtype, None, progress)
        front_end = FrontEnd(tokenizer, Phonemizer(), tuple(SUBTAGS.values()), lm.max_tokens - MIN_FRAMES, self.where)
        return name, front_end, lm

    def _tokenizer(self, hub: Hub, progress: Progress) -> Tokenizer:
        return load_tokenizer(fetch(hub, self.config.tokenizer, progress, TOKENIZER_FILES))

    def _lm(
        self,
        path: Path,
        tokenizer: Tokenizer,
        device: torch.device,
        dtype: torch.dtype,
        codes: int | None,
        progress: Progress,
    ) -> tuple[str, LMEngine]:
        """Load the language model; the first value is its name.

        :param codes: size of the codec's codebooks; None: any code of the language model may be sampled.
        """
        if self.config.compile and device.type != "cuda":
            raise InvalidConfig(f"{self.where}.compile", f"CUDA graphs need a GPU, not {device}")
        if tokenizer.size > self.lm_config.vocab_size:
            fault = f"IDs go up to {tokenizer.size - 1}, but the model's vocab_size is {self.lm_config.vocab_size}"
            raise InvalidConfig(f"{self.where}.tokenizer", fault)
        progress("loading the language model", 0, None)
        quantize = self.config.quantize
        model = load_language_model(path, self.lm_config, device, dtype, quantize, f"{self.where}.lm_config")
        graphs = self.config.compile if self.config.compile is not None else device.type == "cuda"
        slots = self.config.slots or SLOTS[device.type]
        name = f"Fish-Speech 0.2 {path.stem} {quantize or str(dtype).removeprefix('torch.')}"
        max_tokens = self.config.max_tokens or self.lm_config.max_seq_len
        return name, LMEngine(model, slots, max_tokens, tokenizer.eos_id, graphs, codes)

    def _check_codec(self, codec: VQGAN) -> None:
        """Reject a codec that does not fit the language model."""
        sizes = self.lm_config
        if (codec.sizes.codebooks, sizes.num_codebooks) != (CODEBOOKS, CODEBOOKS):
            message = f"the codec has {codec.sizes.codebooks} codebooks and the language model {sizes.num_codebooks}"
            raise LoadError(f"{self.where}: {message}; generation 0.2 needs {CODEBOOKS}")
        if sizes.codebook_size < codec.codebook_size + CODE_OFFSET:
            needed = f"the codec's {codec.codebook_size} codes and {CODE_OFFSET} special IDs"
            fault = f"{sizes.codebook_size} rows are too few for {needed}"
            raise InvalidConfig(f"{self.where}.lm_config.codebook_size", fault)


def available_languages(
    phonemizer: Phonemizer, configured: tuple[str, ...] | None, use_g2p: bool, where: str
) -> tuple[str, ...]:
    """Load the dictionaries and return the languages that can be spoken, BCP 47.

    :param configured: languages that are required; None: all whose packages are installed.
    :raises LoadError: if a required language's package is missing, or no language is available.
    """
    wanted = configured or tuple(SUBTAGS.values())
    if not use_g2p:
        return wanted
    available, errors = [], []
    for name, language in SUBTAGS.items():
        if language not in wanted:
            continue
        try:
            phonemizer.warm_up(name)
            available.append(language)
        except LoadError as error:
            if configured is not None:
                raise InvalidConfig(f"{where}.languages", f"{language}: {error}") from error
            errors.append(str(error))
    if not available:
        reasons = "; ".join(errors)
        raise LoadError(f"{where}: no language can be spoken: {reasons}; or set use_g2p: false in defaults")
    return tuple(language for language in wanted if language in available)


def _warm_up(lm: LMEngine, decoder: StreamDecoder, pad_id: int) -> None:
    """Let kernels be selected and memory be allocated before the first request."""
    prompt = np.zeros((1 + CODEBOOKS, WARM_UP_TOKENS), np.int32)
    prompt[0] = pad_id
    lm.add(Sequence(("warm-up", 0), prompt, 0, max_new_tokens=4))
    while len(lm):
        lm.step()
    decoder.push(("warm-up", 0), np.zeros((CODEBOOKS, WARM_UP_FRAMES), np.int64), last=True)
    while len(decoder):
        decoder.step()
