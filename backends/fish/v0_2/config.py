"""What the configuration says of a Fish-Speech model, and the fixed figures of generation 0.2. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from msgspec import Meta

from backends.errors import LoadError
from backends.options import Options, parse_config

RATE_HZ = 22050
HOP_SAMPLES = 256  # of the codec's spectrogram
CODE_HOPS = 4
CODE_SAMPLES = HOP_SAMPLES * CODE_HOPS  # a code frame; 21.53 of them a second
CODEBOOKS = 4  # the prompt's layout of generation 0.2 has this many code rows under the text row
CODE_OFFSET = 2  # ids 0 and 1 of a codebook stand for padding and end

REPOSITORY = "hf://fishaudio/speech-lm-v1"

Count = Annotated[int, Meta(ge=1)]


class LMConfig(Options, frozen=True):
    """Sizes of a text2semantic network; the defaults are those of the published 400M model.

    Names are those of Fish-Speech's own configuration (v0.2.0, ``BaseModelArgs``), with its presets for what is None.

    :param n_local_heads: heads of keys and values; None: as many as of queries.
    :param head_dim: None: ``dim / n_head``.
    :param intermediate_size: width of the feed-forward layers; None: 8/3 of ``dim``, rounded up to a multiple of 256.
    :param codebook_size: rows for each codebook, two of them for padding and end and some unused.
    """

    vocab_size: Count = 36408
    n_layer: Count = 24
    n_head: Count = 16
    n_local_heads: Count | None = None
    dim: Count = 1024
    head_dim: Count | None = None
    intermediate_size: Count | None = None
    rope_base: Annotated[float, Meta(gt=0)] = 10000.0
    norm_eps: Annotated[float, Meta(gt=0)] = 1e-5
    max_seq_len: Annotated[int, Meta(ge=8, le=1 << 20)] = 4096
    num_codebooks: Count = CODEBOOKS
    codebook_size: Annotated[int, Meta(ge=3)] = 168
    codebook_padding_idx: Annotated[int, Meta(ge=0)] = 0


class FishModel(Options, frozen=True):
    """The ``model:`` block of the engine's configuration."""

    codec_checkpoint: str = f"{REPOSITORY}/vqgan-v1.pth"
    lm_checkpoint: str = f"{REPOSITORY}/text2semantic-400m-v0.2-4k.pth"
    tokenizer: Annotated[str, Meta(description="a folder or a repository with the tokenizer's files")] = REPOSITORY
    lm_config: Annotated[
        dict[str, Any] | str | None, Meta(description="sizes of the language model, or a JSON or YAML file of them")
    ] = None
    quantize: Annotated[
        Literal["int8"] | None, Meta(description="int8: round the language model's weights to 8 bits while loading")
    ] = None
    compile: Annotated[bool | None, Meta(description="CUDA graphs of the decoding step; null: on a GPU")] = None
    slots: Annotated[int, Meta(ge=1, le=256)] | None = None
    max_tokens: Annotated[int, Meta(ge=64, description="longest sequence, prompt included")] | None = None
    languages: (
        Annotated[
            tuple[Literal["zh", "en", "ja"], ...],
            Meta(min_length=1, description="null: all whose dictionaries are installed"),
        ]
        | None
    ) = None
    speakers: Annotated[tuple[str, ...], Meta(description="speakers the checkpoint was fine-tuned on")] = ()


def read_lm_config(given: dict[str, Any] | str | None, where: str) -> LMConfig:
    """The language model's sizes from the configuration, or from the file it names.

    :param where: the key's place in the configuration, e.g. ``engines.fish.model.lm_config``.
    :raises LoadError: naming the key at fault.
    """
    if isinstance(given, str):
        path = Path(given).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
            content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise LoadError(f"configuration key {where}: {path} cannot be read: {error}") from None
        if not isinstance(content, dict):
            raise LoadError(f"configuration key {where}: {path} holds no mapping of sizes")
        given, where = content, f"{where} ({path})"
    config = parse_config(LMConfig, given or {}, where)
    if config.head_dim is None and config.dim % config.n_head:
        raise LoadError(f"configuration key {where}.dim: {config.dim} is not divisible by n_head {config.n_head}")
    if config.n_head % (config.n_local_heads or config.n_head):
        raise LoadError(f"configuration key {where}.n_local_heads: n_head must be a multiple of it")
    return config
