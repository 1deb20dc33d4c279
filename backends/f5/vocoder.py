"""Vocos vocoder: converts mel spectrograms to audio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backends.common.device import fatal_when_lost
from backends.common.weights import load_checkpoint
from backends.errors import LoadError
from backends.f5.config import HOP_SAMPLES
from backends.f5.vocos import ISTFTHead, VocosBackbone
from backends.yaml_text import parse_yaml

FILES = ("config.yaml", "pytorch_model.bin")
BACKBONE = "vocos.models.VocosBackbone"
HEAD = "vocos.heads.ISTFTHead"


class Vocoder(nn.Module):
    """A Vocos model in float32, of the package's classes under the names of its checkpoints."""

    def __init__(self, backbone: nn.Module, head: nn.Module):
        super().__init__()
        self.backbone, self.head = backbone, head

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    def forward(self, mels: Tensor) -> Tensor:
        """Map mels of equal length, shape (B, M, T), to audio (B, N)."""
        waves: Tensor = self.head(self.backbone(mels))
        return waves

    def decode(self, mels: Sequence[Tensor]) -> list[Tensor | str]:
        """Return the audio of each mel, on the CPU, shape (N,), or an error message; an error affects one mel only.

        On a GPU, mels of equal length share a pass. Others cannot: padding would change the convolutions at the end of
        a mel. On a CPU none do: its kernels round differently in a batch.

        :param mels: each of shape (T, M), more than one frame.
        :raises FatalFault: if the device is lost.
        """
        results: list[Tensor | str] = [""] * len(mels)
        alone = self.device.type == "cpu"
        keys = [index if alone else len(mel) for index, mel in enumerate(mels)]
        for key in sorted(set(keys)):
            group = [index for index, other in enumerate(keys) if other == key]
            batch = self._decode_batch([mels[index] for index in group])
            for position, index in enumerate(group):
                if isinstance(batch, str) and len(group) > 1:
                    single = self._decode_batch([mels[index]])
                    results[index] = single if isinstance(single, str) else single[0]
                else:
                    results[index] = batch if isinstance(batch, str) else batch[position]
        return results

    @torch.inference_mode()
    def _decode_batch(self, mels: Sequence[Tensor]) -> Tensor | str:
        """Return the audio of mels of equal length, (B, N), or an error message."""
        try:
            with fatal_when_lost():
                batch = torch.stack(list(mels)).to(self.device).mT.contiguous()  # (B, M, T)
                return self(batch).cpu()  # type: ignore[no-any-return]
        except RuntimeError as error:  # mostly out of memory
            return str(error)


def load_vocoder(folder: Path, device: torch.device) -> Vocoder:
    """Load a folder with ``config.yaml`` and ``pytorch_model.bin``, like charactr/vocos-mel-24khz.

    :raises LoadError: if a file is missing or describes another kind of vocoder.
    """
    config = _read_config(folder / FILES[0])
    weights = load_checkpoint(folder / FILES[1])
    modules: list[nn.Module] = []
    for part, module_class, class_path in (("backbone", VocosBackbone, BACKBONE), ("head", ISTFTHead, HEAD)):
        block = config.get(part)
        if not isinstance(block, Mapping) or block.get("class_path") != class_path:
            raise LoadError(f"{folder / FILES[0]}: {part}.class_path: only {class_path} is supported")
        try:
            module = module_class(**block.get("init_args", {}))
            names = [name for name in weights if name.startswith(f"{part}.")]
            module.load_state_dict({name.removeprefix(f"{part}."): weights[name] for name in names})
        except (TypeError, ValueError, RuntimeError) as error:
            raise LoadError(f"{folder}: {FILES[1]} does not fit {part} in {FILES[0]} ({error})") from error
        modules.append(module)
    if (hop := config["head"]["init_args"]["hop_length"]) != HOP_SAMPLES:
        raise LoadError(f"{folder / FILES[0]}: head.hop_length: {hop!r} is not supported, only {HOP_SAMPLES}")
    return Vocoder(*modules).eval().requires_grad_(False).to(device)


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        config = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{path}: not a readable vocoder configuration ({error})") from error
    if not isinstance(config, Mapping):
        raise LoadError(f"{path}: not a vocoder configuration")
    return config
