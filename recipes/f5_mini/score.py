"""Stage 8: word error rates of the exported model.

The judged sentences are spoken by the teacher, by the teacher through the vocoder, and by the engine with alternating
voices. Both transcribers of ``recipes/common`` transcribe them. The engine's first utterances are saved in the model's
folder.

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
from backends.f5.mel import LogMel
from backends.f5.plugin import F5Plugin
from backends.f5.vocoder import load_vocoder
from recipes.common.score import Judge, Spoken, score_arguments, speak_all, teacher_speech
from recipes.common.sentences import judged
from recipes.f5_mini.export import VOCODER_FOLDER, VOICES_FOLDER, engine_config
from recipes.f5_mini.features import normalize_loudness

Sounds = list[np.ndarray]
KEPT = 8  # utterances that are saved


def through_vocoder(model: Path, sounds: Sounds) -> tuple[Sounds, float]:
    """Resynthesize sounds from their spectrograms; also return the seconds it took."""
    mel, vocoder = LogMel(), load_vocoder(model / VOCODER_FOLDER, torch.device("cpu"))
    mels = [mel(torch.from_numpy(normalize_loudness(samples))) for samples in sounds]
    began = time.perf_counter()
    made = [wave if isinstance(wave, str) else wave.numpy() for wave in vocoder.decode(mels)]
    return [wave for wave in made if not isinstance(wave, str)], time.perf_counter() - began


def main() -> None:
    """Print a line for each kind."""
    parser = score_arguments(__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--what", nargs="+", choices=("teacher", "vocoder", "speech"), default=["speech"])
    parser.add_argument("--nfe", nargs="+", type=int, default=[16], help="numbers of function evaluations")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    texts, judge = judged()[: args.sentences], Judge(args.threads, args.show)
    if "teacher" in args.what or "vocoder" in args.what:
        teacher = teacher_speech(texts, RATE_HZ)
        if "teacher" in args.what:
            judge("teacher", teacher, RATE_HZ)
        if "vocoder" in args.what:
            sounds, seconds = through_vocoder(args.model, list(teacher.sounds))
            judge("vocoder", Spoken(teacher.texts, sounds, seconds), RATE_HZ)
    if "speech" not in args.what:
        return
    voices = [clip.voice.name for clip in folder_clips(args.model / VOICES_FOLDER, "en")]
    jobs = [Job(str(i), text, i, voice=voices[i % len(voices)]) for i, text in enumerate(texts)]
    for nfe in args.nfe:
        config = EngineConfig("f5-mini", args.device, "float32", args.threads, engine_config(args.model), {"nfe": nfe})
        engine = F5Plugin(config).load()
        spoken = speak_all(engine, jobs)
        engine.close()
        soundfile.write(args.model / f"speech-{nfe}.wav", np.concatenate(spoken.sounds[:KEPT]), RATE_HZ)
        parts = {name: slice(at, None, len(voices)) for at, name in enumerate(voices)}
        judge(f"speech, nfe {nfe}", spoken, RATE_HZ, parts)


if __name__ == "__main__":
    main()
