"""Configuration of the f5 engine: its ``model:`` block and f5-tts's architecture files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from backends.errors import LoadError
from backends.options import Options, parse_config
from backends.yaml_text import parse_yaml

# The f5-tts package ships a YAML file for each.
PRESETS = ("F5TTS_v1_Base", "F5TTS_v1_Small", "F5TTS_Base", "F5TTS_Small", "E2TTS_Base", "E2TTS_Small")
MELS = 100
RATE_HZ = 24000
HOP_SAMPLES = 256
WINDOW_SAMPLES = 1024
OFFICIAL = "hf://SWivid/F5-TTS/F5TTS_v1_Base/model_1250000.safetensors@84e5a410d9cead4de2f847e7c9369a6440bdfaca"
VOCOS = "hf://charactr/vocos-mel-24khz@0feb3fdd929bcd6649e0e7c5a688cf7dd012ef21"


class F5Config(Options, frozen=True):
    """The ``model:`` block. File keys take references (docs/checkpoints.md).

    :param architecture: name of a preset, or a YAML file with a ``model`` block in f5-tts's format.
    :param vocab: null selects ``vocab.txt`` beside the checkpoint, else the file that f5-tts ships.
    :param asr: folder with a Whisper model in CTranslate2 format, which transcribes references that lack a transcript;
        null rejects such references.
    :param voices: folder of built-in voices (NAME.wav with its transcript NAME.txt); null selects f5-tts's own clips.
    :param languages: the languages the checkpoint was trained on.
    :param cloning: ``approximate`` for a checkpoint of few voices, where a reference only selects the nearest of them.
    :param max_batch_frames: frames (93.75 per second, reference included) computed at once; null selects a value for
        the device. A single sample may exceed it.
    """

    checkpoint: str = OFFICIAL
    architecture: str = "F5TTS_v1_Base"
    vocab: str | None = None
    vocoder: str = VOCOS
    asr: str | None = None
    voices: str | None = None
    languages: tuple[str, ...] = ("en", "zh")
    cloning: Literal["optional", "approximate"] = "optional"
    max_batch_frames: Annotated[int, Meta(ge=1)] | None = None


Count = Annotated[int, Meta(ge=1)]


class Architecture(Options, frozen=True):
    """Dimensions of a model, with the defaults of f5-tts's classes. ``text_dim`` null means :data:`MELS`."""

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
        """Width of the text embedding."""
        return self.text_dim or MELS


# Keys of an `arch` block that only affect training or select an attention kernel.
_IGNORED_KEYS = frozenset({"dropout", "attn_backend", "attn_mask_enabled", "checkpoint_activations"})
_MEL_SPEC = {
    "target_sample_rate": RATE_HZ,
    "n_mel_channels": MELS,
    "hop_length": HOP_SAMPLES,
    "win_length": WINDOW_SAMPLES,
    "n_fft": WINDOW_SAMPLES,
    "mel_spec_type": "vocos",
}


def read_architecture(path: Path) -> Architecture:
    """Read an f5-tts configuration: ``model.backbone``, ``model.arch`` and ``model.mel_spec``.

    :raises LoadError: for a missing, unknown or unsupported key; names the key.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{path}: not a readable YAML file ({error})") from error
    model = content.get("model") if isinstance(content, Mapping) else None
    arch = model.get("arch") if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(arch, Mapping):
        raise LoadError(f"{path}: no model.arch block, which every f5-tts configuration has")
    _check_mel_spec(path, model.get("mel_spec") or {})
    values = {key: value for key, value in arch.items() if key not in _IGNORED_KEYS}
    values["backbone"] = model.get("backbone", "DiT")
    architecture = parse_config(Architecture, values, f"{path}: model.arch")
    if architecture.backbone == "UNetT" and architecture.depth % 2:
        raise LoadError(
            f"{path}: model.arch.depth: {architecture.depth} is odd, but a UNetT pairs the layers of its two halves"
        )
    return architecture


def _check_mel_spec(path: Path, spec: Any) -> None:
    """Reject any spectrogram other than the one this engine computes."""
    if not isinstance(spec, Mapping):
        raise LoadError(f"{path}: model.mel_spec: must be a mapping")
    for key, expected in _MEL_SPEC.items():
        if (found := spec.get(key, expected)) != expected:
            raise LoadError(f"{path}: model.mel_spec.{key}: {found!r} is not supported, only {expected!r}")
