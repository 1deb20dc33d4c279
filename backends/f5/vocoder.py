"""Vocos: from a mel spectrogram to audio.

Letters: B mels of equal length, M mel channels, n frames, N samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from backends.common.device import fatal_when_lost
from backends.common.weights import load_checkpoint
from backends.errors import LoadError
from backends.f5.model import HOP_SAMPLES

FILES = ("config.yaml", "pytorch_model.bin")
BACKBONE = "vocos.models.VocosBackbone"
HEAD = "vocos.heads.ISTFTHead"


class Vocoder:
    """A Vocos model in float32."""

    def __init__(self, backbone: torch.nn.Module, head: torch.nn.Module, device: torch.device):
        self._backbone = backbone.eval().to(device)
        self._head = head.eval().to(device)
        self._device = device

    def decode(self, mels: Sequence[Tensor]) -> list[Tensor | str]:
        """Audio of each mel, on the CPU, shape (N,); or why there is none, which is no fault of the others.

        Its convolutions look past the ends of a mel, so only mels of equal length share a pass.

        :param mels: each of shape (n, M), n > 1.
        :raises FatalFault: the device is lost.
        """
        results: list[Tensor | str] = [""] * len(mels)
        for frames in sorted({len(mel) for mel in mels}):
            alike = [index for index, mel in enumerate(mels) if len(mel) == frames]
            together = self._together([mels[index] for index in alike])
            for place, index in enumerate(alike):
                if isinstance(together, str) and len(alike) > 1:
                    one = self._together([mels[index]])
                    results[index] = one if isinstance(one, str) else one[0]
                else:
                    results[index] = together if isinstance(together, str) else together[place]
        return results

    @torch.inference_mode()
    def _together(self, mels: Sequence[Tensor]) -> Tensor | str:
        """Audio of mels of equal length, (B, N); or why there is none."""
        try:
            with fatal_when_lost():
                batch = torch.stack(list(mels)).to(self._device).mT.contiguous()  # (B, M, n)
                waves: Tensor = self._head(self._backbone(batch)).cpu()
        except RuntimeError as error:  # out of memory, mostly
            return str(error)
        return waves


def load_vocoder(folder: Path, device: torch.device) -> Vocoder:
    """Load a folder laid out as charactr/vocos-mel-24khz is: ``config.yaml`` and ``pytorch_model.bin``.

    :raises LoadError: a file is missing, or it is no Vocos over mels.
    """
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    config = _read_config(folder / FILES[0])
    weights = load_checkpoint(folder / FILES[1])
    parts: list[torch.nn.Module] = []
    for part, kind, class_path in (("backbone", VocosBackbone, BACKBONE), ("head", ISTFTHead, HEAD)):
        block = config.get(part)
        if not isinstance(block, Mapping) or block.get("class_path") != class_path:
            raise LoadError(f"{folder / FILES[0]}: {part}.class_path: only {class_path} is supported")
        try:
            module = kind(**block.get("init_args", {}))
            own = [name for name in weights if name.startswith(f"{part}.")]
            module.load_state_dict({name.removeprefix(f"{part}."): weights[name] for name in own})
        except (TypeError, ValueError, RuntimeError) as error:
            raise LoadError(f"{folder}: {FILES[1]} does not fit {part} in {FILES[0]} ({error})") from error
        parts.append(module)
    if (hop := config["head"]["init_args"]["hop_length"]) != HOP_SAMPLES:
        raise LoadError(f"{folder / FILES[0]}: head.hop_length: {hop!r} is not supported, only {HOP_SAMPLES}")
    return Vocoder(parts[0], parts[1], device)


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LoadError(f"{path}: not a readable vocoder configuration ({error})") from error
    if not isinstance(config, Mapping):
        raise LoadError(f"{path}: not a vocoder configuration")
    return config
