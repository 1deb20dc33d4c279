"""Stage 8: word error rates of the exported model.

The judged sentences are spoken by the teacher, by the teacher through the vocoder, and by the engine, in its voices by
turns. Both transcribers of ``recipes/common`` listen. Some of what the engine says is kept in the model's folder.

    python -m recipes.f5_mini.score --model f5-mini --what teacher vocoder speech --nfe 16 7
"""

from __future__ import annotations

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
from recipes.common.score import Judge, Spoken, score_arguments, speak_all, taught
from recipes.common.sentences import judged
from recipes.f5_mini.export import VOCODER_FOLDER, VOICES_FOLDER, engine_config
from recipes.f5_mini.features import level

Sounds = list[np.ndarray]
KEPT = 8  # utterances


def through_vocoder(model: Path, sounds: Sounds) -> tuple[Sounds, float]:
    """Sounds made of their own spectrograms, and the seconds it took."""
    mel, vocoder = LogMel(), load_vocoder(model / VOCODER_FOLDER, torch.device("cpu"))
    mels = [mel(torch.from_numpy(level(samples))) for samples in sounds]
    began = time.perf_counter()
    made = [wave if isinstance(wave, str) else wave.numpy() for wave in vocoder.decode(mels)]
    return [wave for wave in made if not isinstance(wave, str)], time.perf_counter() - began


def main() -> None:
    """Print a line for each kind."""
    parser = score_arguments(__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--what", nargs="+", choices=("teacher", "vocoder", "speech"), default=["speech"])
    parser.add_argument("--nfe", nargs="+", type=int, default=[16], help="evaluations of the network")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    texts, judge = judged()[: asked.sentences], Judge(asked.threads, asked.show)
    if "teacher" in asked.what or "vocoder" in asked.what:
        teacher = taught(texts, RATE_HZ)
        if "teacher" in asked.what:
            judge("teacher", teacher, RATE_HZ)
        if "vocoder" in asked.what:
            sounds, seconds = through_vocoder(asked.model, list(teacher.sounds))
            judge("vocoder", Spoken(teacher.texts, sounds, seconds), RATE_HZ)
    if "speech" not in asked.what:
        return
    voices = [clip.voice.name for clip in folder_clips(asked.model / VOICES_FOLDER, "en")]
    jobs = [Job(str(i), text, i, voice=voices[i % len(voices)]) for i, text in enumerate(texts)]
    for nfe in asked.nfe:
        config = EngineConfig(
            "f5-mini", asked.device, "float32", asked.threads, engine_config(asked.model), {"nfe": nfe}
        )
        engine = F5Engine(config)
        engine.load()
        spoken = speak_all(engine, jobs)
        engine.close()
        soundfile.write(asked.model / f"speech-{nfe}.wav", np.concatenate(spoken.sounds[:KEPT]), RATE_HZ)
        parts = {name: slice(at, None, len(voices)) for at, name in enumerate(voices)}
        judge(f"speech, nfe {nfe}", spoken, RATE_HZ, parts)


if __name__ == "__main__":
    main()
