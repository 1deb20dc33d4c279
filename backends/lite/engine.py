"""Lite engine: hibari-tts (Apache-2.0), English, 24 kHz, about a hundred times real time on one CPU core.

The wheel of ``hibari-tts`` 0.2.1 on PyPI includes the ONNX weights of the voice "heart".
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from hibari import SAMPLE_RATE, Hibari
from hibari.g2p import G2P
from hibari.voices import VOICES

from backends.base import (
    Audio,
    AudioChunk,
    BuiltinVoice,
    Capabilities,
    Engine,
    Event,
    Failed,
    Finished,
    Job,
    Progress,
)
from backends.common.tempo import change_tempo
from backends.errors import InvalidConfig, InvalidJob, describe
from backends.hub import Hub
from backends.lite.plugin import LiteOptions
from backends.options import json_schema, parse_job_options
from backends.text import Alphabet, is_spoken, require_scripts, split_at

REPOSITORY = "hf://maureesewilliams/hibari/voices"
SCRIPTS = frozenset({"LATIN"})
SYMBOLS = frozenset({"GREEK"})  # single letters, as in formulas, are read by name; words would be spelled out
SIGNS = "0123456789$£€¢%&+@#=<>~°^§±×÷©¼½¾²³"  # read by hibari-tts's own normalizer
_PLAIN = str.maketrans("’‒―", "'-—")  # as hibari-tts's normalizer replaces them
MAX_DIGITS = 15  # hibari-tts reads no number of more than 36
MAX_SENTENCE_CHARS = 240  # about 16 s of speech, computed in 0.15 s on one core
MAX_NUMBER_CHARS = 48  # of a sentence with a number that is read digit by digit, for the same time
FASTEST_NATIVE = 2.0  # the model's shortest phonemes limit its pace; time compression does the rest


@dataclass
class _Utterance:
    """A job and the spans of its text that remain to be spoken."""

    job: Job
    voice: Hibari
    options: LiteOptions
    spans: list[tuple[int, int]]
    rng: np.random.Generator
    started: bool = False


class LiteEngine(Engine):
    """One step speaks one sentence; jobs take turns, so that each gets its first audio early.

    :param voices: by name, the default one first.
    """

    def __init__(self, voices: Mapping[str, Hibari], defaults: Mapping[str, Any]):
        super().__init__(
            Capabilities(
                model=f"hibari-tts {version('hibari-tts')}",
                sample_rate_hz=SAMPLE_RATE,
                languages=("en",),
                cloning="none",
                streaming="sentence",
                voices=tuple(
                    BuiltinVoice(name, "en", f"{VOICES[name]['accent']} English, {VOICES[name]['gender']}")
                    for name in voices
                ),
                max_text_chars=100_000,
                max_jobs=8,
                options_schema=json_schema(LiteOptions),
                alphabet=Alphabet(tuple(SCRIPTS), SIGNS),
            )
        )
        self._voices = voices
        self._defaults = defaults
        self._utterances: OrderedDict[str, _Utterance] = OrderedDict()

    def add(self, job: Job) -> None:
        """Split the text into sentences.

        :raises InvalidJob: for text in other scripts, text without words, and unknown voices or options.
        """
        options = parse_job_options(LiteOptions, self._defaults, job.options)
        if job.reference is not None:
            raise InvalidJob("lite cannot clone a voice", param="reference_audio")
        voice = self._voices.get(job.voice or next(iter(self._voices)))
        if voice is None:
            known = ", ".join(self._voices)
            raise InvalidJob(f"lite has no voice {job.voice!r}; it has {known}", param="voice")
        require_scripts(job.text, SCRIPTS, "lite", SYMBOLS)
        spans = _sentences(job.text, voice)
        if not any(_has_words(job.text[start:end], voice) for start, end in spans):
            raise InvalidJob("the text has no words to speak", param="text")
        self._utterances[job.id] = _Utterance(job, voice, options, spans, np.random.default_rng(job.seed))

    def step(self) -> Sequence[Event]:
        """Speak the next sentence of the job that has waited longest."""
        if not self._utterances:
            return ()
        job_id, utterance = self._utterances.popitem(last=False)
        events: list[Event] = []
        start, end = utterance.spans.pop(0)
        try:
            audio = _speak(utterance.voice, utterance.job.text[start:end], utterance.job.speed, utterance.rng)
        except Exception as error:  # noqa: BLE001 - an error in the model ends this job only
            return [Failed(job_id, f"lite could not speak characters {start} to {end}: {describe(error)}")]
        if len(audio):
            if utterance.started:
                pause = np.zeros(int(utterance.options.pause_s * SAMPLE_RATE), np.float32)
                audio = np.concatenate((pause, audio))
            utterance.started = True
            events.append(AudioChunk(job_id, audio, (start, end)))
        if utterance.spans:
            self._utterances[job_id] = utterance
        else:
            events.append(Finished(job_id))
        return events

    def abort(self, job_id: str) -> None:
        """Drop the job."""
        self._utterances.pop(job_id, None)

    def close(self) -> None:
        """Drop all jobs."""
        self._utterances.clear()


def load_voices(
    references: Mapping[str, str | None], hub: Hub, threads: int, where: str, progress: Progress
) -> dict[str, Hibari]:
    """Fetch and load voices, and let each speak a word as warm-up.

    :param references: files by the voice's name; None: the file in hibari-tts's wheel.
    :param where: path of ``references`` in the configuration.
    :raises InvalidConfig: for a voice that hibari-tts does not have, or that its wheel does not include.
    """
    voices: dict[str, Hibari] = {}
    for name, reference in references.items():
        if name not in VOICES:
            raise InvalidConfig(f"{where}.{name}", f"unknown voice; hibari-tts has {', '.join(VOICES)}")
        if reference is None and not VOICES[name].get("bundled"):
            file = f"{REPOSITORY}/{VOICES[name]['file']}"
            fault = f"hibari-tts's wheel does not include it; set a reference, e.g. {file}"
            raise InvalidConfig(f"{where}.{name}", fault)
        path = str(hub.fetch(reference, progress).path) if reference else None
        progress(f"loading voice {name}", 0, None)
        accent = VOICES[name]["accent"]
        g2p = next((voice.g2p for other, voice in voices.items() if VOICES[other]["accent"] == accent), None)
        voice = Hibari(voice=name, model=path, threads=threads, g2p=g2p or _g2p(VOICES[name]["british"]))
        _speak(voice, "Ready.", 1.0, np.random.default_rng(0))
        voices[name] = voice
    return voices


def _speak(voice: Hibari, text: str, speed: float, rng: np.random.Generator) -> Audio:
    """Return the audio of a sentence, shape (N,); empty if nothing in it is spoken."""
    native = min(speed, FASTEST_NATIVE)
    parts = [voice.from_ids(voice.ids(phonemes), native, rng) for phonemes in voice.phonemize(text)]
    audio: Audio = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return change_tempo(audio, SAMPLE_RATE, speed / native) if speed > native else audio


def _g2p(british: bool) -> Callable[[str], str]:
    """Make hibari-tts's conversion to phonemes.

    It skips hibari-tts's normalizer for texts without digits and signs: the gateway has written their abbreviations
    out, and the normalizer reads "The answer is no." as "number". Long numbers are read digit by digit.
    """
    convert = G2P(british=british)
    read_number = convert.lexicon.get_number

    def read_long_number(word: str, currency: str | None, is_head: bool) -> Any:
        digits = "".join(char for char in word if char.isdecimal())
        return read_number(word, currency, is_head) if len(digits) <= MAX_DIGITS else read_number(digits, None, False)

    convert.lexicon.get_number = read_long_number

    def phonemize(text: str) -> str:
        plain = " ".join(text.translate(_PLAIN).split())
        phonemes: str = convert(plain, normalize_text=any(is_spoken(char) and not char.isalpha() for char in plain))
        return phonemes

    return phonemize


def _sentences(text: str, voice: Hibari) -> list[tuple[int, int]]:
    """Spans of sentences; a long sentence is split into several."""
    long_number = re.compile(rf"\d(?:,?\d){{{MAX_DIGITS}}}")
    spans: list[tuple[int, int]] = []
    position = 0
    for sentence in voice.split_sentences(text):
        start = text.index(sentence, position)
        position = start + len(sentence)
        limit = MAX_NUMBER_CHARS if long_number.search(sentence) else MAX_SENTENCE_CHARS
        spans += split_at(text, start, position, limit)
    return spans


def _has_words(text: str, voice: Hibari) -> bool:
    """Whether anything but pauses would be spoken."""
    return any(char.isalpha() for phonemes in voice.phonemize(text) for char in phonemes)
