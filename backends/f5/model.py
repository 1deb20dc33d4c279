"""Which model to load: the ``model:`` block of the configuration, and architectures as f5-tts writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from msgspec import Meta

from backends.errors import LoadError
from backends.options import Options, parse_config

# Their YAML files come with the f5-tts package.
PRESETS = ("F5TTS_v1_Base", "F5TTS_v1_Small", "F5TTS_Base", "F5TTS_Small", "E2TTS_Base", "E2TTS_Small")
MELS = 100
RATE_HZ = 24000
HOP_SAMPLES = 256
WINDOW_SAMPLES = 1024
OFFICIAL = "hf://SWivid/F5-TTS/F5TTS_v1_Base/model_1250000.safetensors@84e5a410d9cead4de2f847e7c9369a6440bdfaca"
VOCOS = "hf://charactr/vocos-mel-24khz@0feb3fdd929bcd6649e0e7c5a688cf7dd012ef21"


class F5Model(Options, frozen=True):
    """The ``model:`` block. Everything that names files is a reference as in docs/checkpoints.md.

    ``architecture`` is a preset's name, or a YAML with a ``model`` block as f5-tts writes it. ``vocab`` null: the
    ``vocab.txt`` beside the checkpoint, or else the package's. ``asr`` is a folder with a Whisper model in the format
    of CTranslate2; it writes the transcript of a reference that comes without one. Null: such a reference is refused.
    ``voices`` is a folder of clips that are the built-in voices, NAME.wav and its transcript NAME.txt; null: those that
    f5-tts ships. ``languages`` are those the checkpoint was trained on. ``max_batch_frames`` bounds how many frames
    (93.75 a second, reference included) are computed at once; null: what suits the device. One sample is always
    computed, however long.
    """

    checkpoint: str = OFFICIAL
    architecture: str = "F5TTS_v1_Base"
    vocab: str | None = None
    vocoder: str = VOCOS
    asr: str | None = None
    voices: str | None = None
    languages: tuple[str, ...] = ("en", "zh")
    max_batch_frames: Annotated[int, Meta(ge=1)] | None = None


Count = Annotated[int, Meta(ge=1)]


class Architecture(Options, frozen=True):
    """A network's dimensions, with the defaults of f5-tts's classes. ``text_dim`` null: as many as mel channels."""

    dim: Count
    backbone: Literal["DiT", "UNetT"] = "DiT"
    depth: Count = 8
    heads: Count = 8
    dim_head: Count = 64
    ff_mult: Annotated[float, Meta(gt=0)] = 4
    text_dim: Count | None = None
    text_mask_padding: bool = True
    text_embedding_average_upsampling: bool = False
    conv_layers: Annotated[int, Meta(ge=0)] = 0
    qk_norm: Literal["rms_norm"] | None = None
    pe_attn_head: Count | None = None
    long_skip_connection: bool = False
    skip_connect_type: Literal["add", "concat", "none"] = "concat"

    @property
    def text_width(self) -> int:
        """Channels of the text embedding."""
        return self.text_dim or MELS


# Keys of an `arch` block that concern training or the attention's implementation.
_NOT_OURS = frozenset({"dropout", "attn_backend", "attn_mask_enabled", "checkpoint_activations"})
_MEL = {
    "target_sample_rate": RATE_HZ,
    "n_mel_channels": MELS,
    "hop_length": HOP_SAMPLES,
    "win_length": WINDOW_SAMPLES,
    "n_fft": WINDOW_SAMPLES,
    "mel_spec_type": "vocos",
}


def read_architecture(path: Path) -> Architecture:
    """Read a configuration as f5-tts writes it: ``model.backbone``, ``model.arch`` and ``model.mel_spec``.

    :raises LoadError: naming the key that is missing, unknown or not supported.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LoadError(f"{path}: not a readable YAML file ({error})") from error
    model = content.get("model") if isinstance(content, Mapping) else None
    arch = model.get("arch") if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(arch, Mapping):
        raise LoadError(f"{path}: has no model.arch block, as the configurations of f5-tts have")
    _check_mel(path, model.get("mel_spec") or {})
    kept = {key: value for key, value in arch.items() if key not in _NOT_OURS}
    architecture = parse_config(Architecture, {**kept, "backbone": model.get("backbone", "DiT")}, f"{path}: model.arch")
    if architecture.backbone == "UNetT" and architecture.depth % 2:
        raise LoadError(
            f"{path}: model.arch.depth: {architecture.depth} is odd, but half of a UNetT feeds the other half"
        )
    return architecture


def _check_mel(path: Path, spec: Any) -> None:
    """Refuse spectrograms other than the one this engine computes."""
    if not isinstance(spec, Mapping):
        raise LoadError(f"{path}: model.mel_spec: has to be a block")
    for key, expected in _MEL.items():
        if (found := spec.get(key, expected)) != expected:
            raise LoadError(f"{path}: model.mel_spec.{key}: {found!r} is not supported, only {expected!r}")
