"""Voxgate engine for eSpeak NG, a formant synthesizer for about 100 languages: one process per sentence."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta

from backends.base import (
    Audio,
    AudioChunk,
    BuiltinVoice,
    Capabilities,
    Engine,
    EngineConfig,
    EnginePlugin,
    Event,
    Failed,
    Finished,
    Job,
    Progress,
    no_progress,
)
from backends.common.tempo import change_tempo
from backends.configuration import check_device
from backends.errors import InvalidConfig, InvalidJob, LoadError
from backends.options import Options, json_schema, parse_config, parse_job_options
from backends.text import Alphabet, is_spoken, require_scripts, split_at

RATE_HZ = 22050
WORDS_PER_MINUTE = 175  # espeak-ng's default
SLOWEST_NATIVE = 0.5  # espeak-ng speaks at least 80 words per minute
MAX_SENTENCE_CHARS = 400
TIMEOUT_S = 30
SENTENCE_END = re.compile(r"[.!?…؟।]+[”’\"')\]]*\s+|[。！？]+[”’」』]*|\n+")

# Scripts that voices read as words, besides Latin. Letters of other scripts would be spelled out in English.
SCRIPTS = {
    "ARABIC": "ar fa sd ug ur",
    "ARMENIAN": "hy hyw",
    "BENGALI": "bn bpy",
    "CJK": "zh yue",
    "CYRILLIC": "ba be bg bs cv kk ky mk nog ru sr tt uk",
    "DEVANAGARI": "hi kok mr ne",
    "ETHIOPIC": "am",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "he",
    "HIRAGANA": "ja",
    "KANNADA": "kn",
    "KATAKANA": "ja",
    "MALAYALAM": "ml",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
}


class EspeakModel(Options, frozen=True):
    """The ``model:`` block of the configuration.

    :param voice: the default voice, as in the column Language of ``espeak-ng --voices``.
    """

    voice: str = "en-us"


class EspeakOptions(Options, frozen=True):
    """Per-request options."""

    pitch: Annotated[int, Meta(ge=0, le=99, description="pitch of the voice; 50 is its own")] = 50


class Voice(NamedTuple):
    """A voice of ``espeak-ng --voices``."""

    name: str
    description: str

    @property
    def language(self) -> str:
        """The primary language as in BCP 47; espeak-ng has Mandarin as ``cmn``."""
        primary = self.name.split("-", 1)[0]
        return {"cmn": "zh"}.get(primary, primary)

    @property
    def scripts(self) -> frozenset[str]:
        """Scripts that it reads as words."""
        own = () if "-latn" in self.name else (script for script in SCRIPTS if self.language in SCRIPTS[script].split())
        return frozenset({"LATIN", *own})


@dataclass
class Utterance:
    """A job and the spans of its text that remain to be spoken."""

    job: Job
    voice: Voice
    options: EspeakOptions
    spans: list[tuple[int, int]]


class EspeakPlugin(EnginePlugin):
    """Configuration of the engine, checked against the voices of the installed program."""

    def __init__(self, config: EngineConfig):
        key = f"{config.where}.model"
        default = parse_config(EspeakModel, config.model, key).voice
        parse_config(EspeakOptions, config.defaults, f"{config.where}.defaults")
        check_device(config)
        voices = {voice.name: voice for voice in installed_voices()}
        if default not in voices:
            raise InvalidConfig(f"{key}.voice", f"no voice {default!r}; voices: {', '.join(voices)}")
        self._voices = {default: voices.pop(default), **voices}
        self._defaults = config.defaults

    def known_voices(self) -> tuple[BuiltinVoice, ...]:
        """The installed voices, the default first."""
        return tuple(BuiltinVoice(voice.name, voice.language, voice.description) for voice in self._voices.values())

    def load(self, progress: Progress = no_progress) -> EspeakEngine:
        """Return the engine; there is nothing to load."""
        voices = self.known_voices()
        capabilities = Capabilities(
            model="espeak-ng",
            sample_rate_hz=RATE_HZ,
            languages=tuple(dict.fromkeys(voice.language for voice in voices)),
            cloning="none",
            streaming="sentence",
            voices=voices,
            max_text_chars=100_000,
            max_jobs=8,
            options_schema=json_schema(EspeakOptions),
            # Other signs are silent in some languages; the gateway writes them as words.
            alphabet=Alphabet(("LATIN", *SCRIPTS), "0123456789"),
        )
        return EspeakEngine(capabilities, self._voices, self._defaults)


class EspeakEngine(Engine):
    """One step speaks one sentence; jobs take turns.

    :param voices: by name, the default one first.
    """

    def __init__(self, capabilities: Capabilities, voices: Mapping[str, Voice], defaults: Mapping[str, Any]):
        super().__init__(capabilities)
        self._voices = voices
        self._defaults = defaults
        self._utterances: OrderedDict[str, Utterance] = OrderedDict()

    def add(self, job: Job) -> None:
        """Select a voice and split the text into sentences.

        :raises InvalidJob: for unknown voices and options, and for a script that the voice does not read.
        """
        options = parse_job_options(EspeakOptions, self._defaults, job.options)
        if job.reference is not None:
            raise InvalidJob("espeak-ng cannot clone a voice", param="reference_audio")
        voice = self._voice(job)
        require_scripts(job.text, voice.scripts, f"the voice {voice.name!r} of espeak-ng")
        spans = list(sentences(job.text))
        if not spans:
            raise InvalidJob("the text has nothing to speak", param="text")
        self._utterances[job.id] = Utterance(job, voice, options, spans)

    def _voice(self, job: Job) -> Voice:
        """The voice of a job; without one, the first of its language."""
        primary = (job.language or "").lower().split("-", 1)[0]
        if job.voice is None:
            default = next(iter(self._voices))
            name = next((voice.name for voice in self._voices.values() if voice.language == primary), default)
        else:
            name = job.voice
        if (voice := self._voices.get(name)) is None:
            raise InvalidJob(f"no voice {name!r}; voices: {', '.join(self._voices)}", param="voice")
        if primary not in ("", voice.language):
            others = ", ".join(other.name for other in self._voices.values() if other.language == primary)
            message = (
                f"the voice {name!r} speaks {voice.language}, not {primary}: set voice to one of {others or '(none)'}"
            )
            raise InvalidJob(message, param="language")
        return voice

    def step(self) -> Sequence[Event]:
        """Speak the next sentence of the job that has waited longest."""
        if not self._utterances:
            return ()
        job_id, utterance = self._utterances.popitem(last=False)
        job = utterance.job
        start, end = utterance.spans.pop(0)
        try:
            audio = speak(job.text[start:end], utterance.voice.name, utterance.options.pitch, job.speed)
        except (OSError, subprocess.SubprocessError) as error:
            return [Failed(job_id, f"espeak-ng could not speak {job.text[start:end]!r}: {error}")]
        if utterance.spans:
            self._utterances[job_id] = utterance
            return [AudioChunk(job_id, audio, (start, end))]
        return [AudioChunk(job_id, audio, (start, end)), Finished(job_id)]

    def abort(self, job_id: str) -> None:
        """Drop a job."""
        self._utterances.pop(job_id, None)

    def close(self) -> None:
        """Drop all jobs."""
        self._utterances.clear()


def program() -> str:
    """The path of espeak-ng."""
    found = shutil.which("espeak-ng")
    if found is None:
        raise LoadError("espeak-ng is not installed: apt-get install espeak-ng")
    return found


def installed_voices() -> Iterator[Voice]:
    """Voices by their language tag; Klingon and others without a BCP 47 language are skipped."""
    listed = subprocess.run([program(), "--voices"], capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    for line in listed.stdout.splitlines()[1:]:
        _, name, _, description, *_ = line.split()
        if re.match(r"[a-z]{2,3}(-|$)", name):
            yield Voice(name, description.replace("_", " "))


def speak(text: str, voice: str, pitch: int, speed: float) -> Audio:
    """Return the audio of a sentence, shape (N,)."""
    native = max(speed, SLOWEST_NATIVE)
    text = text.replace("[[", "[ [")  # espeak-ng reads phonemes between double brackets
    options = ["-b", "1", "-v", voice, "-p", str(pitch), "-s", str(round(native * WORDS_PER_MINUTE))]
    done = subprocess.run(
        [program(), "--stdin", "--stdout", *options],
        input=text.encode(),
        capture_output=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    # The length in the header is unknown when espeak-ng writes it; the samples are everything after the "data" chunk's.
    samples = done.stdout.partition(b"data")[2][4:]
    audio: Audio = np.frombuffer(samples[: len(samples) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)
    return change_tempo(audio, RATE_HZ, speed / native) if speed < native else audio


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of sentences that have something to speak; a long sentence is split into several."""
    start = 0
    for end in [*(match.end() for match in SENTENCE_END.finditer(text)), len(text)]:
        for first, last in split_at(text, start, end, MAX_SENTENCE_CHARS):
            if any(is_spoken(char) for char in text[first:last]):
                yield first, last
        start = end
