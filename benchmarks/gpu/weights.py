"""Random weights in the official layouts, made once and shared by all stages.

The speed of a model does not depend on the values of its weights. Files are kept in ``$VOXGATE_BENCH_CACHE``,
by default a folder of the system's temporary one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
F5_ARCHITECTURE = "F5TTS_v1_Base"
FOLDER_VARIABLE = "VOXGATE_BENCH_CACHE"
TEXT_END = 2  # of the tests' tokenizer


def use_tests() -> None:
    """Make the engines, and the tests' writers of checkpoints, importable."""
    sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")) if path not in sys.path]


use_tests()


def f5(quick: bool = False, device: str = "cpu") -> dict[str, Any]:
    """Return the ``model:`` block of F5TTS_v1_Base with Vocos, or of a tiny relative of both.

    :param device: where the weights are drawn; a GPU takes no time for it.
    """

    def write(folder: Path) -> None:
        import torch
        from support.f5.synthetic import write_architecture, write_checkpoint, write_vocoder

        with torch.device(device):
            write_checkpoint(folder, "tiny" if quick else F5_ARCHITECTURE)
        if quick:
            write_architecture(folder, "tiny")
        write_vocoder(folder / "vocoder", **({} if quick else {"dim": 512, "layers": 8}))

    folder = _made("f5-tiny" if quick else "f5-base", write)
    return {
        "checkpoint": str(folder / "model_1.safetensors"),
        "architecture": str(folder / "architecture.yaml") if quick else F5_ARCHITECTURE,
        "vocoder": str(folder / "vocoder"),
    }


def fish(quick: bool = False, device: str = "cpu") -> dict[str, Any]:
    """Return the ``model:`` block of Fish-Speech 0.2's 400M with its codec, or of tiny ones; neither ends by itself.

    :param device: where the weights are drawn; a GPU takes no time for it.
    """
    from msgspec import structs
    from support.fish.codec import write_codec
    from support.fish.model import SMALL
    from support.fish.tokenizer import write_tokenizer

    from backends.fish.v0_2.config import LMConfig

    sizes = SMALL if quick else LMConfig()

    def write(folder: Path) -> None:
        write_tokenizer(folder / "tokenizer", sizes.vocab_size)
        write_codec(folder, small=quick)
        _write_language_model(folder / "text2semantic.pth", sizes, device)

    folder = _made("fish-tiny" if quick else "fish-400m", write)
    return {
        "codec_checkpoint": str(folder / "vqgan-v1.pth"),
        "lm_checkpoint": str(folder / "text2semantic.pth"),
        "tokenizer": str(folder / "tokenizer"),
        "lm_config": {key: value for key, value in structs.asdict(sizes).items() if value is not None},
    }


def _made(name: str, write: Callable[[Path], None]) -> Path:
    """Return the folder of that name, written first where it is missing."""
    kept = os.environ.get(FOLDER_VARIABLE) or Path(tempfile.gettempdir()) / f"voxgate-bench-{os.getuid()}"
    folder = Path(kept) / name
    if not folder.is_dir():
        part = folder.with_suffix(f".{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        write(part)
        part.rename(folder)
    return folder


def _write_language_model(path: Path, sizes: Any, device: str) -> None:
    """Write a text2semantic model that never ends speech, which random weights would soon do.

    The first channel is a large constant that nothing but the marks of the end (id 1 of a codebook, the text's end)
    reads; it holds them down. The other values are spread as the tests' are, which keeps activations in range.
    """
    import torch
    from support.fish.lm import shapes

    random = torch.Generator(device).manual_seed(1)
    state = {}
    for name, shape in shapes(sizes).items():
        values = torch.randn(shape, generator=random, device=device)
        if len(shape) == 1:
            values = 1 + 0.1 * values
        else:
            values *= 0.5 if name == "embeddings.weight" else shape[1] ** -0.5
        state[name] = values.cpu()
    state["embeddings.weight"][:, 0] = 2.0
    output = state["output.weight"]
    output[:, 0] = 0.0
    codebooks = range(sizes.num_codebooks)
    for row in [TEXT_END, *(sizes.vocab_size + codebook * sizes.codebook_size + 1 for codebook in codebooks)]:
        output[row] = 0.0
        output[row, 0] = -20.0
    torch.save(state, path)
