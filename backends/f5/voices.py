"""Reference voices: those that f5-tts ships, and a bounded store of what was made of any voice.

Letters: n frames, M mel channels.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from backends.base import BuiltinVoice, Reference
from backends.errors import LoadError
from backends.f5.model import HOP_SAMPLES, RATE_HZ
from backends.f5.reference import prepare
from backends.f5.vocabulary import package_file

if TYPE_CHECKING:
    from torch import Tensor

    from backends.f5.mel import LogMel

KEPT_VOICES = 128  # each about half a megabyte


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


class Voices:
    """Makes voices from references and keeps the latest ones, by content.

    :param languages: the languages whose shipped clips serve as built-in voices; English when none fits.
    :raises LoadError: a shipped clip is not there.
    """

    def __init__(self, mel: LogMel, languages: tuple[str, ...], kept: int = KEPT_VOICES):
        self._mel = mel
        self._kept = kept
        self._made: OrderedDict[str, Voice] = OrderedDict()
        fitting = [shipped for shipped in SHIPPED if shipped.voice.language in languages] or list(SHIPPED[:1])
        self.builtin = {shipped.voice.name: shipped.voice for shipped in fitting}
        self._shipped = {shipped.voice.name: _read(shipped) for shipped in fitting}

    def named(self, name: str | None) -> Voice | None:
        """A built-in voice, the first for None; None when there is no such voice."""
        reference = self._shipped.get(name or next(iter(self._shipped)))
        return self.of(reference) if reference else None

    def of(self, reference: Reference) -> Voice:
        """The voice of a reference.

        :raises InvalidJob: it has no transcript, or nothing can be heard in it.
        """
        voice = self._made.get(reference.digest) or self._make(reference)
        self._made[reference.digest] = voice
        self._made.move_to_end(reference.digest)
        while len(self._made) > self._kept:
            self._made.popitem(last=False)
        return voice

    def _make(self, reference: Reference) -> Voice:
        import torch

        prepared = prepare(reference.audio, reference.sample_rate_hz, reference.text)
        samples = np.ascontiguousarray(prepared.samples)
        return Voice(
            self._mel(torch.from_numpy(samples)),
            len(samples) // HOP_SAMPLES,
            len(samples) / RATE_HZ,
            prepared.text,
            prepared.gain,
        )


def _read(shipped: Shipped) -> Reference:
    path = package_file(shipped.file)
    try:
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise LoadError(f"{path}: {error}") from error
    return Reference(audio.mean(axis=1), rate_hz, shipped.text, f"shipped:{shipped.voice.name}")
