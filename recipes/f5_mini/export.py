"""Stage 7: the official layout, in float16.

    python -m recipes.f5_mini.export --work WORK --out f5-mini

Writes ``f5-mini.safetensors``, ``config.yaml`` and ``vocab.txt`` as f5-tts names and reads them, the vocoder in
``vocoder/``, a recording with its transcript for each voice in ``voices/``, and the engine configuration
``f5-mini.yaml``. Weights are the averaged ones. Without a vocoder in the work folder, vocoder and voices are skipped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import yaml
from msgspec import structs
from safetensors.torch import save_file
from torch import Tensor

from backends.f5.config import HOP_SAMPLES, MELS, RATE_HZ, WINDOW_SAMPLES, Architecture
from backends.f5.layers import ROTARY_BASE
from backends.fish.v0_2.text.phonemizer import Phonemizer
from recipes.common.export import average, to_float16
from recipes.common.sound import SCALE, open_shard
from recipes.common.teacher import SpeakingStyle, Teacher, utterance
from recipes.common.workspace import HELD_OUT_SHARD, say
from recipes.f5_mini.dit import ARCHITECTURE
from recipes.f5_mini.exported import CHECKPOINT_FILE, PREFIX
from recipes.f5_mini.features import normalize_loudness
from recipes.f5_mini.spelling import FOLD, write_vocabulary
from recipes.f5_mini.train import FOLDER as FLOW
from recipes.f5_mini.train import STATE as FLOW_STATE
from recipes.f5_mini.vocoder import BACKBONE, HEAD, WEIGHTS_FILE
from recipes.f5_mini.vocoder import FOLDER as VOCODER
from recipes.f5_mini.vocoder import STATE as VOCODER_STATE

CONFIG_FILE, ENGINE_FILE = "config.yaml", "f5-mini.yaml"
VOCODER_FOLDER, VOICES_FOLDER = "vocoder", "voices"
VOICES = {False: "clear", True: "deep"}
PROMPT = "Nothing happened for an hour, and then the lights went out."
PROMPT_PACE = 0.85  # the slowest trained pace; slower prompts lose fewer words
HIGHEST = 0.95  # peak of a prompt
CONSTANTS = ("inv_freq", "window")


def flow_tensors(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert the network to official names; capital letters share the vectors of lower-case ones.

    :param weights: state of the ``DiT``.
    """
    found = {PREFIX + name: value for name, value in weights.items()}
    rows = weights["text_embed.text_embed.weight"]
    order = torch.cat((torch.zeros(1, dtype=torch.long), torch.from_numpy(FOLD.astype(np.int64)) + 1))
    found[f"{PREFIX}text_embed.text_embed.weight"] = rows[order]
    head = ARCHITECTURE.dim_head
    inverse = 1.0 / ROTARY_BASE ** (torch.arange(0, head, 2).float() / head)
    return found | {f"{PREFIX}rotary_embed.inv_freq": inverse}


def config(architecture: Architecture) -> dict[str, Any]:
    """The configuration of a model in the format of f5-tts."""
    arch = structs.asdict(architecture)
    backbone = arch.pop("backbone")
    del arch["skip_connect_type"]  # only the other backbone has it
    arch |= {"attn_backend": "torch", "attn_mask_enabled": False, "checkpoint_activations": False}
    mel = {
        "target_sample_rate": RATE_HZ,
        "n_mel_channels": MELS,
        "hop_length": HOP_SAMPLES,
        "win_length": WINDOW_SAMPLES,
        "n_fft": WINDOW_SAMPLES,
        "mel_spec_type": "vocos",
    }
    tokens = {"tokenizer": "custom", "tokenizer_path": "vocab.txt"}
    vocoder = {"is_local": True, "local_path": VOCODER_FOLDER}
    return {
        "model": {
            "name": "F5TTS_Mini",
            **tokens,
            "backbone": backbone,
            "arch": arch,
            "mel_spec": mel,
            "vocoder": vocoder,
        }
    }


def vocoder_config() -> dict[str, Any]:
    """The configuration in the format of charactr/vocos-mel-24khz."""
    mel = {"sample_rate": RATE_HZ, "n_fft": WINDOW_SAMPLES, "hop_length": HOP_SAMPLES, "n_mels": MELS}
    return {
        "feature_extractor": {
            "class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
            "init_args": mel | {"padding": "center"},
        },
        "backbone": {"class_path": "vocos.models.VocosBackbone", "init_args": BACKBONE},
        "head": {"class_path": "vocos.heads.ISTFTHead", "init_args": HEAD},
    }


def engine_config(folder: Path) -> dict[str, Any]:
    """The engine's ``model:`` block for an exported folder."""
    return {
        "checkpoint": str(folder / CHECKPOINT_FILE),
        "architecture": str(folder / CONFIG_FILE),
        "vocoder": str(folder / VOCODER_FOLDER),
        "voices": str(folder / VOICES_FOLDER),
        "languages": ["en"],
    }


def prompts(work: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield each voice's reference: name, held-out text, and the teacher's samples (N,).

    The engine estimates the duration of speech from the reference, so both voices speak at one slow pace.
    """
    teacher, phonemizer = Teacher(), Phonemizer()
    spoken = {about.get("deeper", False) for about, _ in open_shard(work, HELD_OUT_SHARD).each()}
    for deeper in sorted(spoken):
        made = utterance(teacher, phonemizer, PROMPT, SpeakingStyle(RATE_HZ, (PROMPT_PACE, PROMPT_PACE), float(deeper)))
        assert made is not None, PROMPT
        loud = normalize_loudness(made[0].astype(np.float32) * SCALE)
        yield VOICES[deeper], PROMPT, loud * min(1.0, HIGHEST / float(np.abs(loud).max()))


def write_flow(weights: dict[str, Tensor], out: Path, steps: int = 0) -> None:
    """Write the network's three files."""
    write_vocabulary(out)
    marks = {"initted": torch.tensor(True), "step": torch.tensor(steps)}
    path = out / CHECKPOINT_FILE
    save_file(to_float16(flow_tensors(weights), CONSTANTS) | marks, path)
    path.chmod(0o644)  # safetensors makes the file readable by its owner only
    (out / CONFIG_FILE).write_text(yaml.safe_dump(config(ARCHITECTURE), sort_keys=False), encoding="utf-8")


def write_vocoder(weights: dict[str, Tensor], folder: Path) -> None:
    """Write the vocoder's two files."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(to_float16(weights, CONSTANTS), folder / WEIGHTS_FILE)
    (folder / "config.yaml").write_text(yaml.safe_dump(vocoder_config(), sort_keys=False), encoding="utf-8")


def write_voices(voices: Iterable[tuple[str, str, np.ndarray]], folder: Path) -> None:
    """Write a recording and a transcript for each voice.

    :param voices: name, transcript and samples (N,) of each voice.
    """
    folder.mkdir(exist_ok=True)
    for name, text, sound in voices:
        soundfile.write(folder / f"{name}.wav", sound, RATE_HZ, subtype="PCM_16")
        (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    out: Path = args.out
    write_flow(average(args.work / FLOW / FLOW_STATE, "transformer."), out)
    if (args.work / VOCODER / VOCODER_STATE).exists():
        write_vocoder(average(args.work / VOCODER / VOCODER_STATE), out / VOCODER_FOLDER)
        write_voices(prompts(args.work), out / VOICES_FOLDER)
    lines = ["engines:", "  f5-mini:", "    backend: f5", "    model:"]
    lines += [f"      {name}: {json.dumps(value)}" for name, value in engine_config(out.resolve()).items()]
    (out / ENGINE_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    say(f"{out}: {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
