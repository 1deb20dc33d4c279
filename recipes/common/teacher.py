"""Stage 2: the teacher speaks every sentence.

hibari-tts (Apache-2.0; distilled from Kokoro-82M af_heart), at its own pace if not asked otherwise and with the same
noise, so that a text has one sound and the model little to guess. Sound is resampled to the codec's rate and kept as
16-bit samples; its level is the teacher's. Phones are those of ``backends/fish/v0_2/text``, with the time at which each
ends.

    python -m recipes.common.teacher --work WORK --minutes 60
    python -m recipes.common.teacher --work WORK --minutes 60 --rate 24000 --paces 0.85 1.2 --deeper 0.5

With --paces each text is spoken at a speed of its own between two; with --deeper that part of the texts is in a deeper
voice, made of the teacher's by slowing its sound down (it speaks so much faster that the tempo stays). Both depend on
the text alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from backends.errors import InvalidJob
from backends.fish.v0_2.config import RATE_HZ
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.prompt import spell
from recipes.common.align import place
from recipes.common.places import HELD_OUT_SHARD, SENTENCES, SOUND, Clock, say
from recipes.common.sentences import held_out

TEACHER_HZ = 24000
UNIT_SAMPLES = 600  # of the teacher's: its durations are whole multiples
DURATIONS = "/Clip_output_0"  # the tensor in its graph that holds them
BEFORE_S, AFTER_S = 0.06, 0.18  # kept around speech
QUIET = 0.004
WORST_FIT = 0.15  # one sentence in a thousand is worse
LONGEST_S = 14.0
SHARD = 2000  # sentences
DEEPER = 0.82  # of the teacher's pitch and formants


@dataclass(frozen=True, slots=True)
class Manner:
    """How texts are spoken.

    :param rate_hz: of the samples.
    :param paces: the slowest and the fastest speed.
    :param deeper: part of the texts in the deeper voice.
    """

    rate_hz: int = RATE_HZ
    paces: tuple[float, float] = (1.0, 1.0)
    deeper: float = 0.0

    def of(self, text: str) -> tuple[float, bool]:
        """The speed of a text, and whether it has the deeper voice; both depend on the text alone."""
        rng = random.Random(text)
        return rng.uniform(*self.paces), rng.random() < self.deeper


Then = Callable[[str], None]


class Teacher:
    """hibari-tts with the durations of its phonemes as a further output of its graph."""

    def __init__(self) -> None:
        import onnxruntime
        from hibari import Hibari

        self._voice = Hibari(threads=1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Protobuf messages put on end are merged: this adds an entry to ModelProto.graph.output.
        graph = Path(self._voice.model_path).read_bytes() + _field(7, _field(12, _field(1, DURATIONS.encode())))
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, text: str, speed: float = 1.0) -> tuple[np.ndarray, str, list[float]] | None:
        """Sound (N,) at 24 kHz, phonemes, and their end times in seconds; None if the text is not one sentence."""
        from hibari import dsp

        spelled = self._voice.phonemize(text)
        if len(spelled) != 1:
            return None
        (letters,) = ("".join(letter for letter in spelled[0] if letter in self._voice.vocab),)
        ids = np.asarray([self._voice.ids(letters)], np.int64)
        *parts, lengths = self._session.run(None, {"ids": ids, "speed": np.full(1, speed, np.float32)})
        sound = dsp.synth(*(part[0] for part in parts), np.random.default_rng(0))
        ends = np.cumsum(lengths)[1:-1] * (UNIT_SAMPLES / TEACHER_HZ)
        return sound, letters, ends.tolist()


PLAIN = Manner()


def utterance(
    teacher: Teacher, phonemizer: Phonemizer, text: str, manner: Manner = PLAIN
) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Samples (N,) int16 at the manner's rate and their description; None if they cannot be used."""
    try:
        spelled = spell(text, phonemizer, ("en",))
    except InvalidJob:
        return None
    speed, deeper = manner.of(text)
    pitch = DEEPER if deeper else 1.0
    spoken = teacher(text, speed / pitch)
    if spoken is None:
        return None
    sound, letters, letter_ends = spoken
    phones = [phone.removeprefix("<p:").removesuffix(">") for phone in spelled.split()]
    ends, misfit = place(phones, letters, letter_ends)
    step = TEACHER_HZ // 100
    level = np.sqrt((sound[: len(sound) // step * step].reshape(-1, step) ** 2).mean(1))
    loud = np.flatnonzero(level > QUIET)
    if misfit > WORST_FIT or not len(loud):
        return None
    first = max(0, loud[0] * step - int(BEFORE_S * TEACHER_HZ))
    last = min(len(sound), (loud[-1] + 1) * step + int(AFTER_S * TEACHER_HZ))
    if last - first > LONGEST_S * pitch * TEACHER_HZ:
        return None
    resampled = soxr.resample(sound[first:last], TEACHER_HZ * pitch, manner.rate_hz, quality="HQ")
    samples = (np.clip(resampled, -1, 1) * 32767).round().astype(np.int16)
    starts = first / TEACHER_HZ
    about = {
        "text": text,
        "phones": " ".join(phones),
        "ends": [round(max(0.0, end - starts) / pitch, 3) for end in ends],
        "samples": len(samples),
        "speed": round(speed, 3),
        "deeper": deeper,
    }
    return samples, about


def write_shard(
    folder: Path, name: str, texts: Sequence[str], teacher: Teacher, phonemizer: Phonemizer, manner: Manner
) -> None:
    """Speak some sentences; the .jsonl file appears when both files are complete."""
    seconds = 0.0
    part = folder / f"{name}.part"
    with part.open("w", encoding="utf-8") as lines, (folder / f"{name}.i16").open("wb") as sound:
        for text in texts:
            made = utterance(teacher, phonemizer, text, manner)
            if made is not None:
                samples, about = made
                samples.tofile(sound)
                lines.write(json.dumps(about) + "\n")
                seconds += len(samples) / manner.rate_hz
    part.rename(folder / f"{name}.jsonl")
    say(f"{name}: {seconds / 3600:.2f} h")


def work(
    folder: Path, shards: Sequence[tuple[str, Sequence[str]]], minutes: float, manner: Manner, then: Then | None
) -> None:
    """One process's part."""
    clock, teacher, phonemizer = Clock(minutes), Teacher(), Phonemizer()
    for name, texts in shards:
        if clock.over:
            break
        write_shard(folder, name, texts, teacher, phonemizer, manner)
        if then is not None:
            then(name)


def teacher_arguments(about: str | None) -> argparse.ArgumentParser:
    """Arguments of all commands in which the teacher speaks."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--limit", type=int, default=None, help="use so many sentences only, held-out ones too")
    parser.add_argument("--shard", type=int, default=SHARD, help="sentences of a shard; the same at every call")
    return parser


def teach(asked: argparse.Namespace, manner: Manner, then: Then | None = None) -> None:
    """Speak the missing shards, as far as time allows.

    :param then: is called with the name of each shard, in the process that wrote it.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    folder: Path = asked.work / SOUND
    folder.mkdir(parents=True, exist_ok=True)
    texts = (asked.work / SENTENCES).read_text(encoding="utf-8").splitlines()[: asked.limit]
    shards: list[tuple[str, Sequence[str]]] = [(HELD_OUT_SHARD, held_out()[: asked.limit])]
    shards += [
        (f"shard_{at // asked.shard:03}", texts[at : at + asked.shard]) for at in range(0, len(texts), asked.shard)
    ]
    left = [(name, texts) for name, texts in shards if not (folder / f"{name}.jsonl").exists()]
    jobs = [
        multiprocessing.get_context("fork").Process(
            target=work, args=(folder, left[k :: asked.processes], asked.minutes, manner, then)
        )
        for k in range(asked.processes)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    if any(job.exitcode for job in jobs):
        raise SystemExit("a process failed; call again")


def main() -> None:
    """Speak the sentences."""
    parser = teacher_arguments(__doc__)
    parser.add_argument("--rate", type=int, default=RATE_HZ, help="of the samples, Hz")
    parser.add_argument("--paces", type=float, nargs=2, default=(1.0, 1.0), help="slowest and fastest speed")
    parser.add_argument("--deeper", type=float, default=0.0, help="part of the texts in a deeper voice")
    asked = parser.parse_args()
    teach(asked, Manner(asked.rate, tuple(asked.paces), asked.deeper))


def _field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that holds bytes."""
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


if __name__ == "__main__":
    main()
