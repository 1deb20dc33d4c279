"""Per-request options that every generation has. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from msgspec import Meta

from backends.base import LIMITS_LENGTH
from backends.errors import InvalidConfig, InvalidJob
from backends.options import Options, parse_config, parse_job_options

RANDOM_VOICE = "random"  # the built-in voice that the seed determines
VOICE_OPTIONS = ("prompt_text", "prompt_tokens")


class FishOptions(Options, frozen=True):
    """Options with the names and defaults of the classic API. A generation adds its own."""

    top_p: Annotated[float, Meta(gt=0, le=1, description="nucleus sampling: total probability to keep")] = 0.5
    top_k: Annotated[int, Meta(ge=0, le=4096, description="number of most likely codes to keep; 0: all")] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2, description="0: always the most likely code")] = 0.7
    repetition_penalty: Annotated[
        float, Meta(ge=0.1, le=2, description="above 1: codes of the last 16 frames become less likely")
    ] = 1.5
    max_new_tokens: Annotated[
        int,
        Meta(
            ge=0,
            le=4096,
            description="limit of frames per chunk, 2 or more; 0: until the model stops",
            extra_json_schema={LIMITS_LENGTH: True},
        ),
    ] = 0
    speaker: (
        Annotated[str, Meta(min_length=1, max_length=128, description="a speaker the checkpoint was fine-tuned on")]
        | None
    ) = None
    chunk_length: Annotated[
        int, Meta(ge=0, le=1000, description="limit of UTF-8 bytes per chunk of a long text; 0: never split")
    ] = 200
    trace: Annotated[bool, Meta(description="send the codes as they are generated, for display")] = False
    prompt_text: Annotated[str, Meta(max_length=2000, description="transcript of prompt_tokens")] | None = None
    prompt_tokens: (
        Annotated[
            bytes,
            Meta(max_length=262_144, description="codes of a voice: .npy file, shape (codebooks, frames), base64"),
        ]
        | None
    ) = None

    def check(self) -> None:
        """Validate what the types cannot express.

        :raises InvalidJob: naming ``options.<key>``.
        """
        if self.max_new_tokens == 1:
            message = "must be 0, or 2 or more: the last frame is dropped, so 1 would generate nothing"
            raise InvalidJob(message, param="options.max_new_tokens")


AnyOptions = TypeVar("AnyOptions", bound=FishOptions)


def read_options(kind: type[AnyOptions], defaults: Mapping[str, Any], options: Mapping[str, Any]) -> AnyOptions:
    """Parse a request's options over the configured defaults.

    :param kind: the generation's type of options.
    :raises InvalidJob: naming ``options.<key>``.
    """
    parsed = parse_job_options(kind, defaults, options)
    parsed.check()
    return parsed


def check_defaults(kind: type[FishOptions], defaults: Mapping[str, Any], where: str) -> None:
    """Validate the ``defaults:`` block.

    :param where: place of the block in the configuration, e.g. ``engines.fish.defaults``.
    :raises InvalidConfig: naming the key.
    """
    parse_config(kind, defaults, where)
    for key in VOICE_OPTIONS:
        if defaults.get(key) is not None:
            raise InvalidConfig(f"{where}.{key}", "not allowed as a default; store the voice instead")
    try:
        read_options(kind, defaults, {})
    except InvalidJob as error:
        key = (error.param or "").removeprefix("options.")
        raise InvalidConfig(f"{where}.{key}", error.message) from None
