"""Stage 7: word error rates of the exported model.

The judged sentences are spoken by the teacher, by the teacher through the codec, and by the engine with and without a
reference. Both transcribers of ``recipes/common`` transcribe them. The first utterances of each kind are saved in the
model's folder.

    python -m recipes.fish_mini.score --model fish-mini --what teacher codec speech reference
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from backends.base import EngineConfig, Job, Reference
from backends.fish.plugin import FishPlugin
from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.config import RATE_HZ
from recipes.common.score import Judge, Spoken, score_arguments, speak_all, teacher_speech
from recipes.common.sentences import held_out, judged
from recipes.fish_mini.export import CODEC_FILE, DEFAULTS, engine_config

REFERENCE = held_out()[:2]
KEPT = 8  # utterances that are saved


def through_codec(model: Path, spoken: Spoken) -> Spoken:
    """Encode and decode sounds."""
    codec = load_vqgan(model / CODEC_FILE, torch.device("cpu"))
    began = time.perf_counter()
    sounds = codec.decode([codec.encode([samples])[0] for samples in spoken.sounds])
    return Spoken(spoken.texts, [sound for sound in sounds if not isinstance(sound, str)], time.perf_counter() - began)


def main() -> None:
    """Print a line for each kind."""
    parser = score_arguments(__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--what", nargs="+", choices=("teacher", "codec", "speech", "reference"), default=["speech"])
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=NUMBER", help="options of the engine")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    texts, judge = judged()[: args.sentences], Judge(args.threads, args.show)
    options = DEFAULTS | {name: json.loads(value) for name, value in (part.split("=") for part in args.set)}
    for what in args.what:
        if what in ("teacher", "codec"):
            spoken = teacher_speech(texts, RATE_HZ)
            spoken = through_codec(args.model, spoken) if what == "codec" else spoken
        else:
            reference = None
            if what == "reference":
                voice = teacher_speech(REFERENCE, RATE_HZ)
                reference = Reference(np.concatenate(voice.sounds), RATE_HZ, " ".join(voice.texts), "held-out")
            config = EngineConfig("fish-mini", args.device, "float32", args.threads, engine_config(args.model), options)
            engine = FishPlugin(config).load()
            spoken = speak_all(engine, [Job(str(i), text, i, reference=reference) for i, text in enumerate(texts)])
            engine.close()
        judge(what, spoken, RATE_HZ)
        if what != "teacher":
            soundfile.write(args.model / f"{what}.wav", np.concatenate(spoken.sounds[:KEPT]), RATE_HZ)


if __name__ == "__main__":
    main()
