"""The small checkpoints fit into the package, and their model cards are complete."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

BACKENDS = Path(__file__).parents[1] / "backends"
FOLDERS = [BACKENDS / "f5/assets/f5_mini", BACKENDS / "fish/assets/fish_mini"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_small_checkpoint_is_below_40_mb_and_in_half_precision(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 40e6
    weights = [load_file(path) for path in files if path.suffix == ".safetensors"]
    weights += [torch.load(path, weights_only=True) for path in files if path.suffix in (".pth", ".bin")]
    assert len(weights) == 2
    matrices = [tensor for state in weights for tensor in state.values() if tensor.ndim > 1]
    assert {tensor.dtype for tensor in matrices} == {torch.float16}


@pytest.mark.parametrize(
    ("folder", "parts"),
    [
        (FOLDERS[0], ("## Training data", "| license |")),
        (FOLDERS[1], ("## Training data", "| license |")),
    ],
    ids=["f5_mini", "fish_mini"],
)
def test_model_card_has_data_license_figures_and_limits(folder: Path, parts: tuple[str, ...]) -> None:
    card = (folder / "README.md").read_text()
    for part in (*parts, "## Figures", "## Limits"):
        assert part in card
