"""Brings together what the configuration names: codec, language model, tokenizer, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from backends.base import EngineConfig, Progress
from backends.common.device import pick_dtype
from backends.common.start import fetch, start_torch
from backends.errors import InvalidJob, LoadError
from backends.fish.generation import Sequence
from backends.fish.options import FishOptions
from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.codec.stream import StreamDecoder
from backends.fish.v0_2.codec.vqgan import VQGAN
from backends.fish.v0_2.config import CODE_OFFSET, CODEBOOKS, FishModel, LMConfig, read_lm_config
from backends.fish.v0_2.lm.checkpoint import load_language_model
from backends.fish.v0_2.lm.engine import LEAST_FRAMES, Generator
from backends.fish.v0_2.lm.model import LanguageModel
from backends.fish.v0_2.text.languages import Order
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.prompt import Prompt, build_prompt, spell
from backends.fish.v0_2.text.symbols import SUBTAGS
from backends.fish.v0_2.text.tokenizer import Tokenizer, load_tokenizer
from backends.hub import Hub, HubSettings

# A decoding step reads all weights once, however many sequences it serves: a GPU has compute to spare for many.
SLOTS = {"cuda": 16, "cpu": 4}
WARM_UP_COLUMNS, WARM_UP_FRAMES = 32, 64  # the codec's windows have all their sizes within the latter
TOKENIZER_FILES = ("tokenizer*", "special_tokens_map.json", "added_tokens.json")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pipeline ready to speak.

    :param languages: those it can read, BCP 47.
    :param room: tokens of a prompt, text and voice together, at most.
    """

    name: str
    codec: VQGAN
    decoder: StreamDecoder
    generator: Generator
    speller: Speller
    languages: tuple[str, ...]
    slots: int
    room: int


@dataclass(frozen=True, slots=True)
class Speller:
    """Text as the language model reads it."""

    tokenizer: Tokenizer
    phonemizer: Phonemizer

    def rows(self, text: str, transcript: str, options: FishOptions, speaker: str | None, order: Order) -> Prompt:
        """Ids of a text behind a voice's transcript, shape (1 + Q, S), without the voice's codes.

        :param transcript: as :meth:`transcript` spells it.
        :raises InvalidJob: it cannot be spelled.
        """
        phonemizer = self.phonemizer if options.use_g2p else None
        return build_prompt(
            self.tokenizer, text, transcript=transcript, speaker=speaker, phonemizer=phonemizer, order=order
        )

    def transcript(self, text: str, options: FishOptions, order: Order, param: str) -> str:
        """What is said in a voice, as it stands in a prompt.

        :raises InvalidJob: naming ``param``: it cannot be spelled.
        """
        try:
            return spell(text, self.phonemizer if options.use_g2p else None, order)
        except InvalidJob as error:
            raise InvalidJob(error.message, param=param, needs_languages=error.needs_languages) from None


def load(model: FishModel, config: EngineConfig, progress: Progress) -> Loaded:
    """Fetch and load everything.

    :raises LoadError: saying what is missing or does not fit.
    """
    where = f"engines.{config.name}"
    device = start_torch(config, where)
    hub = Hub(HubSettings.from_environment(config.hub))
    sizes = read_lm_config(model.lm_config, f"{where}.model.lm_config")
    codec_file = fetch(hub, model.codec_checkpoint, progress)
    lm_file = fetch(hub, model.lm_checkpoint, progress)
    tokenizer = load_tokenizer(fetch(hub, model.tokenizer, progress, TOKENIZER_FILES))
    progress("loading the codec", 0, None)
    codec = load_vqgan(codec_file, device)
    if (codec.num_codebooks, sizes.num_codebooks) != (CODEBOOKS, CODEBOOKS):
        message = f"the codec has {codec.num_codebooks} codebooks and the language model {sizes.num_codebooks}"
        raise LoadError(f"{where}: {message}; this generation has {CODEBOOKS}")
    if sizes.codebook_size < codec.codebook_size + CODE_OFFSET:
        message = f"{sizes.codebook_size} rows are too few for the codec's {codec.codebook_size} codes"
        raise LoadError(f"configuration key {where}.model.lm_config.codebook_size: {message} and {CODE_OFFSET} marks")
    check_vocabulary(tokenizer, sizes, f"{where}.model.tokenizer")
    progress("loading the language model", 0, None)
    lm, name = load_lm(model, sizes, lm_file, device, config.dtype, where)
    slots = model.slots or SLOTS[device.type]
    compiled = model.compile if model.compile is not None else device.type == "cuda"
    tokens = longest(model, sizes, where)
    generator = Generator(lm, slots, tokens, tokenizer.eos_id, compiled, codes=codec.codebook_size)
    phonemizer = Phonemizer()
    progress("loading dictionaries", 0, None)
    languages = readable(phonemizer, model.languages, config.defaults.get("use_g2p", True), where)
    progress("warming up", 0, None)
    decoder = StreamDecoder(codec)
    _warm_up(generator, decoder, tokenizer.pad_id)
    speller = Speller(tokenizer, phonemizer)
    return Loaded(name, codec, decoder, generator, speller, languages, slots, tokens - LEAST_FRAMES)


def check_vocabulary(tokenizer: Tokenizer, sizes: LMConfig, where: str) -> None:
    """Refuse a tokenizer with ids the language model does not know.

    :raises LoadError: naming the configuration key ``where``.
    """
    if tokenizer.size > sizes.vocab_size:
        message = f"it has ids up to {tokenizer.size - 1}, but the language model's vocab_size is {sizes.vocab_size}"
        raise LoadError(f"configuration key {where}: {message}")


def readable(phonemizer: Phonemizer, languages: tuple[str, ...] | None, use_g2p: bool, where: str) -> tuple[str, ...]:
    """Languages that can be read here, with what that needs loaded.

    :param languages: those asked for, or None: all whose packages are installed.
    :raises LoadError: a language asked for has no package, or none has.
    """
    asked = languages or tuple(SUBTAGS.values())
    if not use_g2p:
        return asked
    found, missing = [], []
    for name, language in SUBTAGS.items():
        if language not in asked:
            continue
        try:
            phonemizer.warm_up(name)
            found.append(language)
        except LoadError as error:
            if languages is not None:
                raise LoadError(f"configuration key {where}.model.languages: {language}: {error}") from error
            missing.append(str(error))
    if not found:
        raise LoadError(f"{where}: no language can be read: {'; '.join(missing)}; or set use_g2p to false in defaults")
    return tuple(language for language in asked if language in found)


def _warm_up(generator: Generator, decoder: StreamDecoder, pad_id: int) -> None:
    """Have kernels picked and memory laid out before the first request needs them."""
    prompt = np.zeros((1 + CODEBOOKS, WARM_UP_COLUMNS), np.int32)
    prompt[0] = pad_id
    generator.add(Sequence("warm-up", "", prompt, 0, max_new_tokens=4))
    while len(generator):
        generator.step()
    decoder.push("warm-up", np.zeros((CODEBOOKS, WARM_UP_FRAMES), np.int64), last=True)
    while len(decoder):
        decoder.step()


def load_lm(
    model: FishModel, sizes: LMConfig, path: Path, device: torch.device, dtype_name: str, where: str
) -> tuple[LanguageModel, str]:
    """The language model, and how it is called.

    :raises LoadError: the checkpoint does not fit.
    """
    dtype = pick_dtype(dtype_name, device, where)
    lm = load_language_model(path, sizes, device, dtype, model.quantize, where)
    precision = model.quantize or str(dtype).removeprefix("torch.")
    return lm, f"Fish-Speech 0.2 {path.stem} {precision}"


def longest(model: FishModel, sizes: LMConfig, where: str) -> int:
    """How long a sequence may become, prompt included.

    :raises LoadError: longer than the model knows positions for.
    """
    tokens = model.max_tokens or sizes.max_seq_len
    if tokens > sizes.max_seq_len:
        raise LoadError(f"configuration key {where}.model.max_tokens: the model ends at {sizes.max_seq_len}")
    return tokens
