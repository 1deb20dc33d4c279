"""The ``model:`` configuration of generation 0.2, and the constants of its architecture. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from backends.errors import InvalidConfig
from backends.fish.generation import Sizes
from backends.options import Options, parse_config
from backends.yaml_text import parse_yaml

RATE_HZ = 22050
HOP_SAMPLES = 256  # of the codec's mel spectrogram
FRAME_HOPS = 4  # mel frames per code frame
FRAME_SAMPLES = HOP_SAMPLES * FRAME_HOPS  # of one code frame; 21.53 frames per second
CODEBOOKS = 4  # a prompt has this many code rows below the text row
CODE_OFFSET = 2  # code IDs 0 and 1 are padding and end of speech

SIZES = Sizes(RATE_HZ, FRAME_SAMPLES, CODEBOOKS)

REPOSITORY = "hf://fishaudio/speech-lm-v1"

Count = Annotated[int, Meta(ge=1)]


class LMConfig(Options, frozen=True):
    """Sizes of a text2semantic model. The defaults are those of the published 400M model.

    Names and presets are those of Fish-Speech's own configuration (v0.2.0, ``BaseModelArgs``).

    :param n_local_heads: key and value heads; None: as many as query heads.
    :param head_dim: None: ``dim / n_head``.
    :param intermediate_size: feed-forward width; None: 8/3 of ``dim``, rounded up to a multiple of 256.
    :param codebook_size: embedding rows per codebook; two are padding and end of speech, some are unused.
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


class ModelConfig(Options, frozen=True):
    """The ``model:`` block of the engine's configuration."""

    codec_checkpoint: str = f"{REPOSITORY}/vqgan-v1.pth"
    lm_checkpoint: str = f"{REPOSITORY}/text2semantic-400m-v0.2-4k.pth"
    tokenizer: Annotated[str, Meta(description="folder or repository with the tokenizer's files")] = REPOSITORY
    lm_config: Annotated[
        dict[str, Any] | str | None, Meta(description="sizes of the language model, or a JSON or YAML file of them")
    ] = None
    quantize: Annotated[
        Literal["int8"] | None, Meta(description="int8: quantize the language model's weights while loading")
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
    cloning: Annotated[
        Literal["optional", "approximate"],
        Meta(description="approximate: the checkpoint follows references roughly"),
    ] = "optional"
    speakers: Annotated[tuple[str, ...], Meta(description="speakers the checkpoint was fine-tuned on")] = ()


def read_lm_config(content: dict[str, Any] | str | None, where: str) -> LMConfig:
    """Parse the language model's sizes from the configuration, or from the file it names.

    :param where: the key's place in the configuration, e.g. ``engines.fish.model.lm_config``.
    :raises InvalidConfig: naming the key.
    """
    if isinstance(content, str):
        path = Path(content).expanduser()
        try:
            text = path.read_text(encoding="utf-8")
            content = json.loads(text) if path.suffix == ".json" else parse_yaml(text)
        except (OSError, ValueError) as error:
            raise InvalidConfig(where, f"{path} cannot be read: {error}") from None
        where = f"{where} ({path})"
        if not isinstance(content, dict):
            raise InvalidConfig(where, "the file must contain a mapping of sizes")
    config = parse_config(LMConfig, content or {}, where)
    if config.head_dim is None and config.dim % config.n_head:
        raise InvalidConfig(f"{where}.dim", f"{config.dim} is not a multiple of n_head {config.n_head}")
    if config.n_head % (config.n_local_heads or config.n_head):
        fault = f"n_head {config.n_head} must be a multiple of {config.n_local_heads}"
        raise InvalidConfig(f"{where}.n_local_heads", fault)
    return config
