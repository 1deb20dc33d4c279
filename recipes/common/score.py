"""Word error rates and speed of an engine on the 100 judged sentences, as two Whisper models transcribe them.

python -m recipes.common.score        # the engine lite
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from backends.base import AudioChunk, Engine, EngineConfig, Failed, Finished, Job
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.lite.plugin import LitePlugin
from recipes.common.sentences import judged
from recipes.common.sound import SCALE
from recipes.common.teacher import SpeakingStyle, Teacher, utterance
from recipes.common.transcriber import FOLDERS, Transcriber, word_error_rate
from recipes.common.workspace import say


def speak(engine: Engine, job: Job) -> np.ndarray:
    """Run one job and return its samples (N,)."""
    engine.add(job)
    parts: list[np.ndarray] = []
    while True:
        for event in engine.step():
            match event:
                case AudioChunk():
                    parts.append(event.samples)
                case Failed():
                    raise RuntimeError(event.message)
                case Finished():
                    return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class Spoken:
    """Texts with their sound.

    :param sounds: each (N,).
    :param seconds: time that synthesis took.
    """

    texts: Sequence[str]
    sounds: Sequence[np.ndarray]
    seconds: float


def speak_all(engine: Engine, jobs: Sequence[Job]) -> Spoken:
    """Run jobs one after another."""
    began = time.perf_counter()
    sounds = [speak(engine, job) for job in jobs]
    return Spoken([job.text for job in jobs], sounds, time.perf_counter() - began)


def teacher_speech(texts: Sequence[str], rate_hz: int) -> Spoken:
    """Let the teacher speak texts at its own pace."""
    teacher, phonemizer, style = Teacher(), Phonemizer(), SpeakingStyle(rate_hz)
    began = time.perf_counter()
    made = [(text, utterance(teacher, phonemizer, text, style)) for text in texts]
    kept = [(text, one[0].astype(np.float32) * SCALE) for text, one in made if one is not None]
    return Spoken([text for text, _ in kept], [sound for _, sound in kept], time.perf_counter() - began)


class Judge:
    """Word error rates by both transcribers.

    :param show: print the transcripts.
    """

    def __init__(self, threads: int = 2, show: bool = False) -> None:
        self._transcribers = {name: Transcriber(name, threads) for name in FOLDERS}
        self._show = show

    def __call__(
        self, what: str, spoken: Spoken, rate_hz: int, parts: Mapping[str, slice] = MappingProxyType({})
    ) -> None:
        """Print the word error rates of all texts and of parts of them, and the real-time factor."""
        transcripts = {
            name: [transcriber.transcribe(samples, rate_hz) for samples in spoken.sounds]
            for name, transcriber in self._transcribers.items()
        }
        seconds = sum(map(len, spoken.sounds)) / rate_hz
        say(f"{what}: {seconds:.0f} s of sound, real-time factor {spoken.seconds / seconds:.2f}")
        for part, which in {"all": slice(None), **parts}.items():
            texts = spoken.texts[which]
            rates = {name: word_error_rate(texts, found[which]) for name, found in transcripts.items()}
            listed = ", ".join(f"{rate:.3f} ({name})" for name, rate in rates.items())
            say(f"  {part}, {len(texts)} texts: word error rate {listed}")
        if self._show:
            for lines in zip(spoken.texts, *transcripts.values(), strict=True):
                say("\n    ".join(lines))


def score_arguments(about: str | None) -> argparse.ArgumentParser:
    """Build the parser of a scoring command."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=None, help="number of judged sentences; all by default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="print the transcripts")
    return parser


def main() -> None:
    """Score the engine lite."""
    args = score_arguments(__doc__).parse_args()
    engine = LitePlugin(EngineConfig("lite", "cpu", threads=args.threads)).load()
    rate_hz = engine.capabilities.sample_rate_hz
    jobs = [Job(str(i), text, i) for i, text in enumerate(judged()[: args.sentences])]
    Judge(args.threads, args.show)("lite", speak_all(engine, jobs), rate_hz)
    engine.close()


if __name__ == "__main__":
    main()
