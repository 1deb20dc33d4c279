"""Stage 2: the teacher speaks every sentence.

The teacher is hibari-tts (Apache-2.0; distilled from Kokoro-82M af_heart). It speaks at its own pace by default and
with fixed noise, so that a text has one sound and the model little to guess. Sound is resampled to the codec's rate and
saved as 16-bit samples without a change of level. Phones are those of ``backends/fish/v0_2/text``, each with its end
time.

    python -m recipes.common.teacher --work WORK --minutes 60
    python -m recipes.common.teacher --work WORK --minutes 60 --rate 24000 --paces 0.85 1.2 --deeper 0.5

--paces gives each text a speed between two limits. --deeper gives that share of the texts a deeper voice: the teacher
speaks faster and its sound is slowed down, which lowers the pitch and keeps the tempo. Both depend on the text alone.
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
from recipes.common.align import align_phones
from recipes.common.sentences import held_out
from recipes.common.workspace import HELD_OUT_SHARD, SENTENCES, SOUND, Clock, say

TEACHER_HZ = 24000
UNIT_SAMPLES = 600  # durations of the teacher are whole multiples of it
DURATIONS = "/Clip_output_0"  # the tensor of durations in the teacher's graph
BEFORE_S, AFTER_S = 0.06, 0.18  # silence that is left around speech
QUIET = 0.004
WORST_FIT = 0.15  # one sentence in a thousand is worse
LONGEST_S = 14.0
SHARD = 2000  # sentences
DEEPER = 0.82  # of the teacher's pitch and formants


@dataclass(frozen=True, slots=True)
class SpeakingStyle:
    """Sample rate, speed and voice of the spoken texts.

    :param rate_hz: sample rate.
    :param paces: the slowest and the fastest speed.
    :param deeper: share of the texts in the deeper voice.
    """

    rate_hz: int = RATE_HZ
    paces: tuple[float, float] = (1.0, 1.0)
    deeper: float = 0.0

    def of(self, text: str) -> tuple[float, bool]:
        """Draw a text's speed and whether it has the deeper voice; both depend on the text alone."""
        rng = random.Random(text)
        return rng.uniform(*self.paces), rng.random() < self.deeper


OnShard = Callable[[str], None]


class Teacher:
    """hibari-tts whose graph also outputs the durations of phonemes."""

    def __init__(self) -> None:
        import onnxruntime
        from hibari import Hibari

        self._voice = Hibari(threads=1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Protobuf messages are merged when they are concatenated: this adds an entry to ModelProto.graph.output.
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


PLAIN = SpeakingStyle()


def utterance(
    teacher: Teacher, phonemizer: Phonemizer, text: str, style: SpeakingStyle = PLAIN
) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Speak a text: int16 samples (N,) at the style's rate and their description; None if they cannot be used."""
    try:
        spelled = spell(text, phonemizer, ("en",))
    except InvalidJob:
        return None
    speed, deeper = style.of(text)
    pitch = DEEPER if deeper else 1.0
    spoken = teacher(text, speed / pitch)
    if spoken is None:
        return None
    sound, letters, letter_ends = spoken
    phones = [phone.removeprefix("<p:").removesuffix(">") for phone in spelled.split()]
    ends, misfit = align_phones(phones, letters, letter_ends)
    step = TEACHER_HZ // 100
    level = np.sqrt((sound[: len(sound) // step * step].reshape(-1, step) ** 2).mean(1))
    loud = np.flatnonzero(level > QUIET)
    if misfit > WORST_FIT or not len(loud):
        return None
    first = max(0, loud[0] * step - int(BEFORE_S * TEACHER_HZ))
    last = min(len(sound), (loud[-1] + 1) * step + int(AFTER_S * TEACHER_HZ))
    if last - first > LONGEST_S * pitch * TEACHER_HZ:
        return None
    resampled = soxr.resample(sound[first:last], TEACHER_HZ * pitch, style.rate_hz, quality="HQ")
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
    folder: Path, name: str, texts: Sequence[str], teacher: Teacher, phonemizer: Phonemizer, style: SpeakingStyle
) -> None:
    """Speak some sentences; the .jsonl file appears when both files are complete."""
    seconds = 0.0
    part = folder / f"{name}.part"
    with part.open("w", encoding="utf-8") as lines, (folder / f"{name}.i16").open("wb") as sound:
        for text in texts:
            made = utterance(teacher, phonemizer, text, style)
            if made is not None:
                samples, about = made
                samples.tofile(sound)
                lines.write(json.dumps(about) + "\n")
                seconds += len(samples) / style.rate_hz
    part.rename(folder / f"{name}.jsonl")
    say(f"{name}: {seconds / 3600:.2f} h")


def work(
    folder: Path,
    shards: Sequence[tuple[str, Sequence[str]]],
    minutes: float,
    style: SpeakingStyle,
    on_shard: OnShard | None,
) -> None:
    """Speak shards in one process."""
    clock, teacher, phonemizer = Clock(minutes), Teacher(), Phonemizer()
    for name, texts in shards:
        if clock.over:
            break
        write_shard(folder, name, texts, teacher, phonemizer, style)
        if on_shard is not None:
            on_shard(name)


def teacher_arguments(about: str | None) -> argparse.ArgumentParser:
    """Build the parser of a command in which the teacher speaks."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--limit", type=int, default=None, help="largest number of sentences, also of held-out ones")
    parser.add_argument("--shard", type=int, default=SHARD, help="sentences of a shard; must be the same in every call")
    return parser


def speak_shards(args: argparse.Namespace, style: SpeakingStyle, on_shard: OnShard | None = None) -> None:
    """Speak missing shards until the time is up.

    :param on_shard: called with the name of each shard, in the process that wrote it.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    folder: Path = args.work / SOUND
    folder.mkdir(parents=True, exist_ok=True)
    texts = (args.work / SENTENCES).read_text(encoding="utf-8").splitlines()[: args.limit]
    shards: list[tuple[str, Sequence[str]]] = [(HELD_OUT_SHARD, held_out()[: args.limit])]
    shards += [(f"shard_{at // args.shard:03}", texts[at : at + args.shard]) for at in range(0, len(texts), args.shard)]
    left = [(name, texts) for name, texts in shards if not (folder / f"{name}.jsonl").exists()]
    jobs = [
        multiprocessing.get_context("fork").Process(
            target=work, args=(folder, left[k :: args.processes], args.minutes, style, on_shard)
        )
        for k in range(args.processes)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    if any(job.exitcode for job in jobs):
        raise SystemExit("a process failed; run the command again to speak the missing shards")


def main() -> None:
    """Speak the sentences."""
    parser = teacher_arguments(__doc__)
    parser.add_argument("--rate", type=int, default=RATE_HZ, help="sample rate in Hz")
    parser.add_argument("--paces", type=float, nargs=2, default=(1.0, 1.0), help="slowest and fastest speed")
    parser.add_argument("--deeper", type=float, default=0.0, help="share of the texts in a deeper voice")
    args = parser.parse_args()
    speak_shards(args, SpeakingStyle(args.rate, tuple(args.paces), args.deeper))


def _field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that holds bytes."""
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


if __name__ == "__main__":
    main()
