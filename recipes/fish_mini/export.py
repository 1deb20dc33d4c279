"""Stage 6: the official layout, in float16.

    python -m recipes.fish_mini.export --work WORK --out fish-mini

Writes ``vqgan-fish-mini.pth``, ``text2semantic-fish-mini.pth``, ``lm_config.json``, the tokenizer's files and
the engine configuration ``fish-mini.yaml``. Weights are the averaged ones of the stages that have run. With --buffers
the language model's file has the two constant tables that the classic code requires (this project's engine computes
them).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from msgspec import structs
from torch import Tensor

from backends.fish.v0_2.codec.checkpoint import WEIGHT_NORM
from backends.fish.v0_2.codec.hifigan import HiFiGAN
from backends.fish.v0_2.codec.mel import MELS, LogMel
from backends.fish.v0_2.lm.model import Sizes, rope_frequencies
from recipes.common.export import average, to_float16
from recipes.common.workspace import CODEC, LANGUAGE_MODEL, say
from recipes.fish_mini.codec_mel import STATE as MEL_STATE
from recipes.fish_mini.codec_wave import STATE as WAVE_STATE
from recipes.fish_mini.exported import CODEC_FILE, GENERATOR, LM_FILE
from recipes.fish_mini.lm import CONFIG
from recipes.fish_mini.train_lm import STATE as LM_STATE
from recipes.fish_mini.vocabulary import write_tokenizer
from recipes.fish_mini.vqgan import WIDTHS

CONFIG_FILE = "lm_config.json"
# The sampler's classic defaults were tuned for a model of many voices; a repetition penalty makes this one skip sounds.
DEFAULTS: dict[str, Any] = {
    "temperature": 0.6,
    "top_p": 0.6,
    "repetition_penalty": 1.0,
    "max_new_tokens": 500,
    "order": "en",
    "chunk_length": 150,
}


def codec_tensors(lower: dict[str, Tensor], upper: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert the codec to the official layout: with weight norm, and with the blocks that are zero."""
    zeros = {name: torch.zeros_like(value) for name, value in HiFiGAN(MELS, WIDTHS.waves).state_dict().items()}
    found: dict[str, Tensor] = {}
    for name, value in {**lower, **{f"{GENERATOR}{name}": value for name, value in (zeros | upper).items()}}.items():
        if name.endswith(".weight") and (name.startswith(GENERATOR) or "in_layers" in name or "skip_layers" in name):
            found |= normed(name.removesuffix(".weight"), value)
        else:
            found[name] = value
    mel = LogMel()
    found["mel_transform.spectrogram.window"] = mel.window
    found["mel_transform.mel_scale.fb"] = mel.bank.T
    return found


def normed(name: str, weight: Tensor) -> dict[str, Tensor]:
    """Apply weight norm: lengths and directions; a zero weight has an arbitrary direction."""
    lengths = torch.linalg.vector_norm(weight, dim=(1, 2), keepdim=True)
    directions = torch.where(lengths > 0, weight, torch.ones_like(weight))
    return {f"{name}.{WEIGHT_NORM}0": lengths, f"{name}.{WEIGHT_NORM}1": directions}


def lm_tensors(weights: dict[str, Tensor], buffers: bool) -> dict[str, Tensor]:
    """Convert the language model to official names."""
    found = dict(weights)
    if buffers:
        found["freqs_cis"] = rope_frequencies(CONFIG.max_seq_len, Sizes.of(CONFIG).head_dim, CONFIG.rope_base)
        found["causal_mask"] = torch.ones(CONFIG.max_seq_len, CONFIG.max_seq_len, dtype=torch.bool).tril()
    return found


def engine_config(folder: Path) -> dict[str, Any]:
    """The engine's ``model:`` block for an exported folder."""
    return {
        "codec_checkpoint": str(folder / CODEC_FILE),
        "lm_checkpoint": str(folder / LM_FILE),
        "lm_config": str(folder / CONFIG_FILE),
        "tokenizer": str(folder),
        "languages": ["en"],
    }


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--buffers", action="store_true")
    args = parser.parse_args()
    out: Path = args.out
    write_tokenizer(out)
    if (args.work / CODEC / WAVE_STATE).exists():
        lower, upper = (average(args.work / CODEC / state) for state in (MEL_STATE, WAVE_STATE))
        torch.save(to_float16(codec_tensors(lower, upper)), out / CODEC_FILE)
    if (args.work / LANGUAGE_MODEL / LM_STATE).exists():
        model = average(args.work / LANGUAGE_MODEL / LM_STATE)
        torch.save(to_float16(lm_tensors(model, args.buffers)), out / LM_FILE)
    sizes = {name: value for name, value in structs.asdict(CONFIG).items() if value is not None}
    (out / CONFIG_FILE).write_text(json.dumps(sizes, indent=1) + "\n", encoding="utf-8")
    lines = ["engines:", "  fish-mini:", "    backend: fish", "    model:"]
    lines += [f"      {name}: {json.dumps(value)}" for name, value in engine_config(out.resolve()).items()]
    lines += ["    defaults:", *(f"      {name}: {json.dumps(value)}" for name, value in DEFAULTS.items())]
    (out / "fish-mini.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    total = sum(path.stat().st_size for path in out.iterdir() if path.suffix == ".pth")
    say(f"{out}: {total / 1e6:.1f} MB of weights")


if __name__ == "__main__":
    main()
