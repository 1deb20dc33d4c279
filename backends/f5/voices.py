"""Reference voices: those that come with the model, and a bounded store of what was made of any voice.

Letters: n frames, M mel channels.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import soundfile

from backends.base import Audio, BuiltinVoice, Reference
from backends.errors import InvalidJob, LoadError
from backends.f5.model import HOP_SAMPLES, RATE_HZ
from backends.f5.reference import PreparedReference, close_text, prepare
from backends.f5.vocabulary import package_file

if TYPE_CHECKING:
    from torch import Tensor

    from backends.f5.mel import LogMel

KEPT_VOICES = 128  # each about half a megabyte
CLIP_FILES = ("*.wav", "*.txt")


@dataclass(frozen=True, slots=True)
class Shipped:
    """A clip in the f5-tts package with its transcript."""

    voice: BuiltinVoice
    file: str
    text: str


SHIPPED = (
    Shipped(
        BuiltinVoice("basic_en", "en", "the English clip that f5-tts ships"),
        "infer/examples/basic/basic_ref_en.wav",
        "Some call me nature, others call me mother nature.",
    ),
    Shipped(
        BuiltinVoice("basic_zh", "zh", "the Chinese clip that f5-tts ships"),
        "infer/examples/basic/basic_ref_zh.wav",
        "对，这就是我，万人敬仰的太乙真人。",
    ),
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A built-in voice and what it is imitated from."""

    voice: BuiltinVoice
    reference: Reference


@dataclass(frozen=True, slots=True)
class Voice:
    """What the sampler needs of a reference.

    :param mel: shape (n, M), one frame more than ``frames`` whole hops.
    :param text: the transcript, closed.
    :param gain: brings the output to the loudness of the recording.
    """

    mel: Tensor
    frames: int
    duration_s: float
    text: str
    gain: float


class Hearing(Protocol):
    """Writes down what is said in a recording; see :class:`backends.f5.listener.Listener`."""

    def transcribe(self, samples: Audio) -> str:
        """:param samples: at 24 kHz, shape (N,)."""
        ...


class Voices:
    """Makes voices from references and keeps the latest ones, by content.

    :param clips: of the built-in voices; the first is the one that speaks where none is asked for.
    :param hearing: for references without transcript, which are refused without it.
    :raises LoadError: a clip is of no use. They are made ready here, so that no request has to wait for it.
    """

    def __init__(self, mel: LogMel, clips: Sequence[Clip], hearing: Hearing | None = None, kept: int = KEPT_VOICES):
        self._mel = mel
        self._hearing = hearing
        self._kept = kept
        self._made: OrderedDict[tuple[str, int], Voice] = OrderedDict()
        self.builtin = {clip.voice.name: clip.voice for clip in clips}
        self._references = {clip.voice.name: clip.reference for clip in clips}
        for name, reference in self._references.items():
            try:
                self.of(reference)
            except InvalidJob as error:
                raise LoadError(f"built-in voice {name!r}: {error}") from error

    def named(self, name: str | None) -> Voice | None:
        """A built-in voice, the first for None; None when there is no such voice."""
        reference = self._references.get(name or next(iter(self._references)))
        return self.of(reference) if reference else None

    def of(self, reference: Reference) -> Voice | None:
        """The voice of a reference; None when it first has to be heard what is said in it.

        :raises InvalidJob: there is no transcript and no hearing, or nothing in the recording.
        """
        if voice := self.kept(reference):
            return voice
        if self._hearing is not None and not reference.text.strip():
            prepare(reference.audio, reference.sample_rate_hz)  # an empty recording is refused at once
            return None
        text = close_text(reference.text)
        return self._keep(reference, prepare(reference.audio, reference.sample_rate_hz), text)

    def kept(self, reference: Reference) -> Voice | None:
        """A voice made before, unless it was pushed out since."""
        key = _key(reference)
        if key in self._made:
            self._made.move_to_end(key)
        return self._made.get(key)

    def hear(self, reference: Reference) -> Voice:
        """The voice of a reference without transcript: the clip that the model will be given is listened to. Slow.

        :raises InvalidJob: nothing was understood.
        :raises RuntimeError: the hearing failed.
        """
        assert self._hearing is not None  # noqa: S101 - else `of` refuses it
        prepared = prepare(reference.audio, reference.sample_rate_hz)
        text = self._hearing.transcribe(prepared.samples)
        if not text:
            message = "nothing was understood in the reference audio; send what is said in it"
            raise InvalidJob(message, param="reference_text")
        return self._keep(reference, prepared, close_text(text))

    def _keep(self, reference: Reference, prepared: PreparedReference, text: str) -> Voice:
        import torch

        samples = np.ascontiguousarray(prepared.samples)
        mel = self._mel(torch.from_numpy(samples))
        voice = Voice(mel, len(samples) // HOP_SAMPLES, len(samples) / RATE_HZ, text, prepared.gain)
        self._made[_key(reference)] = voice
        while len(self._made) > self._kept:
            self._made.popitem(last=False)
        return voice


def _key(reference: Reference) -> tuple[str, int]:
    """What tells references apart: the digest is one of samples and text, and says nothing of the rate."""
    return reference.digest, reference.sample_rate_hz


def shipped_clips(languages: Sequence[str]) -> list[Clip]:
    """Those that f5-tts ships in these languages; the English one when there is none.

    :raises LoadError: one is not there.
    """
    fitting = [one for one in SHIPPED if one.voice.language in languages] or list(SHIPPED[:1])
    return [Clip(one.voice, _read(package_file(one.file), one.text, one.voice.name)) for one in fitting]


def folder_clips(folder: Path, language: str) -> list[Clip]:
    """A checkpoint's own: NAME.wav with what is said in it in NAME.txt makes the voice NAME. In order of their names.

    :raises LoadError: naming the file that is missing or cannot be read.
    """
    paths = sorted(folder.glob("*.wav"))
    if not 0 < len(paths) <= KEPT_VOICES:
        raise LoadError(f"{folder}: {len(paths)} recordings (NAME.wav); there have to be 1 to {KEPT_VOICES}")
    clips = []
    for path in paths:
        transcript = path.with_suffix(".txt")
        try:
            text = transcript.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise LoadError(f"{transcript}: no readable transcript of {path.name} ({error})") from error
        if not text:
            raise LoadError(f"{transcript}: does not say what is said in {path.name}")
        clips.append(Clip(BuiltinVoice(path.stem, language, "comes with the checkpoint"), _read(path, text, path.stem)))
    return clips


def _read(path: Path, text: str, name: str) -> Reference:
    try:
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise LoadError(f"{path}: {error}") from error
    return Reference(audio.mean(axis=1), rate_hz, text, f"builtin:{name}")
