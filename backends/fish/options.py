"""The per-request options of the Fish-Speech engine. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from backends.errors import InvalidJob, LoadError
from backends.fish.generation import Sampling
from backends.fish.v0_2.text.languages import parse_order
from backends.fish.v0_2.text.prompt import check_speaker
from backends.options import Options, parse_config, parse_job_options

VOICE_OPTIONS = ("prompt_text", "prompt_tokens")


class FishOptions(Options, frozen=True):
    """Per-request options; names and defaults are those of the classic API."""

    top_p: Annotated[float, Meta(gt=0, le=1, description="keep the likeliest codes up to this probability")] = 0.5
    top_k: Annotated[int, Meta(ge=0, le=4096, description="keep so many of the likeliest codes; 0: all")] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2, description="0 always takes the likeliest code")] = 0.7
    repetition_penalty: Annotated[
        float, Meta(ge=0.1, le=2, description="above 1: codes of the last 16 frames become less likely")
    ] = 1.5
    max_new_tokens: Annotated[
        int, Meta(ge=0, le=4096, description="frames of a piece at most, over 1; 0: until the model ends it")
    ] = 0
    speaker: (
        Annotated[str, Meta(min_length=1, max_length=128, description="a speaker the checkpoint was fine-tuned on")]
        | None
    ) = None
    use_g2p: Annotated[bool, Meta(description="spell the text in phones first")] = True
    order: Annotated[str, Meta(max_length=16, description="languages, those preferred first, e.g. zh,jp,en")] = (
        "zh,jp,en"
    )
    chunk_length: Annotated[
        int, Meta(ge=0, le=1000, description="cut the text into pieces of so many bytes of UTF-8 at most; 0: never")
    ] = 200
    prompt_text: Annotated[str, Meta(max_length=2000, description="what is said in prompt_tokens")] | None = None
    prompt_tokens: (
        Annotated[bytes, Meta(max_length=262_144, description="codes of a voice: an .npy file of shape (4, T), base64")]
        | None
    ) = None


def read_options(defaults: Mapping[str, Any], options: Mapping[str, Any]) -> FishOptions:
    """What a request asks for, over the configured defaults.

    :raises InvalidJob: naming ``options.<key>``.
    """
    read = parse_job_options(FishOptions, defaults, options)
    parse_order(read.order)
    if read.speaker is not None:
        check_speaker(read.speaker)
    if read.max_new_tokens == 1:
        raise InvalidJob("the last frame is never spoken: 0, or 2 and more", param="options.max_new_tokens")
    return read


def check_defaults(defaults: Mapping[str, Any], where: str) -> None:
    """Refuse defaults that no request could have.

    :param where: the block's place in the configuration, e.g. ``engines.fish.defaults``.
    :raises LoadError: naming the key.
    """
    parse_config(FishOptions, defaults, where)
    for key in VOICE_OPTIONS:
        if defaults.get(key) is not None:
            raise LoadError(f"configuration key {where}.{key}: a voice belongs to a request; store it as a voice")
    try:
        read_options(defaults, {})
    except InvalidJob as error:
        key = (error.param or "").removeprefix("options.")
        raise LoadError(f"configuration key {where}.{key}: {error.message}") from None


def sampling_of(options: FishOptions) -> Sampling:
    """How a request wants its frames to be drawn."""
    return Sampling(options.temperature, options.top_p, options.top_k, options.repetition_penalty)
