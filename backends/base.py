"""The engine interface: one abstract class, and the plain values that cross it.

This module imports the standard library and numpy only, so the gateway can import it.

Shape comments in the whole repository use one set of letters:

==  ==============================================================
B   batch: rows that are computed together
T   time: code frames, mel frames or tokens, whichever the line says
N   audio samples
K   codebooks
V   vocabulary size
D   model width
H   attention heads
Dh  width of one head
M   mel channels
==  ==============================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from backends.errors import InvalidJob
from backends.text import Alphabet

Audio = npt.NDArray[np.float32]
"""Mono PCM, shape (N,), nominal range [-1, 1]."""

Codes = npt.NDArray[np.integer]
"""Codec tokens, shape (K, T), T in code frames."""

TraceData = npt.NDArray[np.unsignedinteger]
"""Intermediate data, shape (K, T) or (M, T), of dtype uint8 or uint16."""

Cloning = Literal["none", "approximate", "optional", "required"]
"""Whether a job may or must have a reference. ``approximate``: it may, and selects the nearest built-in voice."""
LIMITS_LENGTH = "x-limits-length"
"""Keyword in the JSON schema of an option that limits the duration of the audio (``Meta(extra_json_schema=…)``)."""

MAX_TRACE_BYTES = 65_536
"""Limit of the array of one :class:`Trace`."""

MIN_LETTER_S = 0.015
"""The shipped engines take 0.05 s and more per letter at speed 1, also scaled to it from speed 4."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The configuration of one engine. The engine parses ``model`` and ``defaults`` with types of its own.

    :param name: the engine's name in the configuration, which may differ from the plugin's name.
    :param device: ``auto``, ``cpu``, ``cuda:0`` …
    :param dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``; each engine defines what it supports.
    :param threads: CPU threads for numeric libraries; None: the engine decides.
    :param hub: the configuration's ``hub`` block, for :func:`backends.hub.HubSettings.from_environment`.
    """

    name: str
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    hub: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuiltinVoice:
    """A voice that the loaded model provides."""

    name: str
    language: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class CodecInfo:
    """The neural codec that an engine exposes to requests. It uses the engine's sample rate.

    :param codebooks: K, the number of codes per frame.
    :param codebook_size: codes are in ``range(codebook_size)``.
    :param samples_per_frame: audio samples per code frame.
    :param generates: whether a job may return the codes of its speech instead of audio, see ``Job.codes_only``.
    """

    codebooks: int
    codebook_size: int
    samples_per_frame: int
    generates: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The features and limits of a loaded engine.

    :param model: name of the loaded weights, as shown to users.
    :param languages: BCP 47 primary subtags, e.g. ``("en", "zh")``.
    :param cloning: see :data:`Cloning`.
    :param streaming: the unit in which audio is emitted: ``sentence``, ``frame``, or ``none`` for whole jobs.
    :param voices: built-in voices; the first is the default.
    :param max_text_chars: length limit of one job's text.
    :param max_jobs: the number of jobs the gateway should admit at once; more would only queue inside the engine.
    :param options_schema: JSON schema of ``Job.options``.
    :param codec: the codec of :meth:`Engine.convert`; None: not supported.
    :param alphabet: the characters that it can speak; the gateway refuses others. None: only the engine knows.
    :param normalizes: categories of text normalization that the engine does itself, so that the gateway does not.
    :param max_reference_s: the longest reference of which all speech is used; the engine refuses or cuts longer ones.
    :param dtype: dtype of the loaded weights, e.g. ``bfloat16``.
    :param min_letter_s: audio that is shorter than this per letter, at speed 1, is a failure; 0: it is not checked.
    """

    model: str
    sample_rate_hz: int
    languages: tuple[str, ...]
    cloning: Cloning
    streaming: Literal["none", "sentence", "frame"]
    voices: tuple[BuiltinVoice, ...]
    max_text_chars: int
    max_jobs: int
    options_schema: dict[str, Any]
    codec: CodecInfo | None = None
    alphabet: Alphabet | None = None
    normalizes: tuple[str, ...] = ()
    max_reference_s: float | None = None
    dtype: str | None = None
    min_letter_s: float = MIN_LETTER_S

    def supports(self, option: str) -> bool:
        """Whether a job may set this option."""
        return option in self.options_schema.get("properties", {})

    def limits_length(self, options: Mapping[str, Any]) -> bool:
        """Whether a job's options limit the duration of its audio, so that it may be shorter than the text needs."""
        properties = self.options_schema.get("properties", {})
        return any(value and properties.get(name, {}).get(LIMITS_LENGTH) for name, value in options.items())


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording of the voice to clone.

    :param audio: mono PCM, shape (N,).
    :param text: the transcript; some engines accept an empty one.
    :param digest: content hash of audio and text; the cache key for everything derived from them.
    """

    audio: Audio
    sample_rate_hz: int
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Job:
    """One text to synthesize.

    :param voice: name of a built-in voice; None: the default voice, or ``reference`` if given.
    :param speed: pace relative to the voice's own; 2.0 is twice as fast.
    :param stream: whether the client plays the audio while it is generated; an engine may then shorten its first
        chunk.
    :param options: per-request options. The gateway validates them against ``Capabilities.options_schema``; the
        engine validates them again.
    :param codes_only: return the speech as codes (:class:`CodesChunk`) that are not decoded. Only for engines whose
        codec ``generates``.
    """

    id: str
    text: str
    seed: int
    speed: float = 1.0
    language: str | None = None
    voice: str | None = None
    reference: Reference | None = None
    stream: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    codes_only: bool = False


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """Audio to encode into codes.

    :param audio: mono PCM, shape (N,).
    """

    id: str
    audio: Audio
    sample_rate_hz: int


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """Codes to decode into audio.

    :param codes: integers, shape (K, T), T in code frames.
    """

    id: str
    codes: Codes


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """The next chunk of a job's audio.

    :param samples: shape (N,), at ``Capabilities.sample_rate_hz``.
    :param text_span: the spoken characters of ``Job.text`` as (start, end), if the engine knows them.
    """

    job_id: str
    samples: Audio
    text_span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class CodesChunk:
    """The next chunk of codes, shape (K, T), T in code frames: of an :class:`EncodeJob`, or of a job's speech."""

    job_id: str
    codes: Codes


@dataclass(frozen=True, slots=True)
class Trace:
    """Intermediate data of a job's generation, for display. Only for jobs whose option ``trace`` is true.

    :param kind: ``codes``: codec tokens, shape (K, T); ``mel``: the log-mel spectrogram so far, shape (M, T).
    :param data: at most :data:`MAX_TRACE_BYTES`.
    :param text_span: the characters of ``Job.text`` that it belongs to, as in the span of their audio.
    :param position: of codes: index of the first frame within the span; of a mel: number of model evaluations so far.
    :param rate_hz: columns (T) per second of audio.
    """

    job_id: str
    kind: Literal["codes", "mel"]
    data: TraceData
    text_span: tuple[int, int]
    position: int
    rate_hz: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The job is complete."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ended without the rest of its output. Other jobs are unaffected."""

    job_id: str
    message: str


Event = AudioChunk | CodesChunk | Trace | Finished | Failed

Progress = Callable[[str, int, int | None], None]
"""Callback ``progress(stage, done, total)`` during loading; in bytes if the stage is a download."""


def no_progress(stage: str, done: int, total: int | None) -> None:
    """Ignore progress."""


class Engine(ABC):
    """One model on one device, constructed and called from a single thread.

    The constructor parses ``config.model`` and ``config.defaults`` and raises ``LoadError`` that names an invalid
    key. It does not touch weights.
    """

    summary: ClassVar[str] = ""
    """One line for ``voxgate engines`` and the documentation."""

    @abstractmethod
    def __init__(self, config: EngineConfig): ...

    @abstractmethod
    def load(self, progress: Progress = no_progress) -> Capabilities:
        """Load the weights onto the device. Called once.

        :raises LoadError: if that is impossible; the message says how to fix it.
        """

    def known_voices(self) -> Sequence[BuiltinVoice]:
        """Built-in voices that the configuration determines, before :meth:`load`. Quick, and without network access.

        Empty: only the loaded model knows them.
        """
        return ()

    @abstractmethod
    def add(self, job: Job) -> None:
        """Admit a job; later steps return its audio. Must be quick: no model evaluation.

        :raises InvalidJob: if the job cannot be synthesized as specified; the engine's state is unchanged.
        """

    def convert(self, job: EncodeJob | DecodeJob) -> None:
        """Admit a codec job; later steps return its codes or audio. Only for engines that declare a codec.

        :raises InvalidJob: if the engine has no codec, or the input is invalid; the engine's state is unchanged.
        """
        raise InvalidJob("this engine has no codec that requests could use")

    @abstractmethod
    def step(self) -> Sequence[Event]:
        """Advance every admitted job by one bounded unit of work, about 100 ms on the target device.

        Each job ends with exactly one ``Finished`` or ``Failed``, which is its last event.

        :raises FatalFault: if no job can be served any more.
        """

    @abstractmethod
    def abort(self, job_id: str) -> None:
        """Drop a job; it has no further events. Unknown and ended IDs are ignored."""

    @abstractmethod
    def close(self) -> None:
        """Release the device. Called once, last."""
