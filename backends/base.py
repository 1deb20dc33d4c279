"""The interface every speech engine implements, and the values that cross it.

Letters in shapes: N samples of mono audio, G codebooks, T and k code frames. Standard library and numpy only, so that
the gateway can import it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from backends.errors import InvalidJob

Audio = npt.NDArray[np.float32]
"""Mono PCM, shape (N,), nominal range [-1, 1]."""

Codes = npt.NDArray[np.integer]
"""Sound as a codec writes it, shape (G, T)."""

Cloning = Literal["none", "optional", "required"]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What one engine is loaded with. ``model`` and ``defaults`` are parsed by the engine's own types.

    :param name: the name this engine is configured under (not the plugin's name).
    :param device: ``auto``, ``cpu``, ``cuda:0`` …
    :param dtype: ``auto``, ``float32``, ``bfloat16``, ``float16``; what a value means is the engine's business.
    :param threads: CPU threads for numeric libraries, or None for the engine's own choice.
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
    """A voice that comes with the loaded model."""

    name: str
    language: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class CodecInfo:
    """A codec that requests may use for its own sake; its sound has the engine's sample rate.

    :param codebooks: codes of a frame.
    :param codebook_size: codes go from 0 to one less.
    :param samples_per_frame: how much sound a frame stands for.
    """

    codebooks: int
    codebook_size: int
    samples_per_frame: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a loaded engine can do.

    :param model: which weights are loaded, as shown to users.
    :param languages: BCP 47 primary subtags, e.g. ``("en", "zh")``.
    :param cloning: whether a job may or must bring a reference voice.
    :param streaming: the unit that becomes audible first: ``sentence``, ``frame`` or ``none``.
    :param voices: built-in voices; the first one speaks when a job names none.
    :param max_text_chars: longest text of one job.
    :param max_jobs: how many jobs the engine wants admitted at once (its batch); more would only wait inside.
    :param options_schema: JSON schema of ``Job.options``.
    :param codec: what :meth:`Engine.convert` converts with; None: it does not.
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

    def supports(self, option: str) -> bool:
        """Whether a job may set this option."""
        return option in self.options_schema.get("properties", {})


@dataclass(frozen=True, slots=True)
class Reference:
    """A voice to clone.

    :param audio: mono PCM, shape (N,).
    :param text: what is said in it; may be empty where an engine allows that.
    :param digest: content hash of audio and text, the key for whatever an engine prepares from them.
    """

    audio: Audio
    sample_rate_hz: int
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Job:
    """One text to speak.

    :param voice: a built-in voice's name, or None for the default or when ``reference`` is given.
    :param speed: 1.0 is the voice's own pace, 2.0 twice as fast.
    :param stream: whether someone listens while it is being made; an engine may then cut its first piece short.
    :param options: already validated against ``Capabilities.options_schema`` by a well-behaved caller;
        the engine checks again.
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


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """A sound to be made into codes.

    :param audio: mono PCM, shape (N,).
    """

    id: str
    audio: Audio
    sample_rate_hz: int


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """Codes to be made into sound.

    :param codes: integers, shape (G, T).
    """

    id: str
    codes: Codes


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """The next stretch of a job's audio.

    :param samples: shape (N,), at ``Capabilities.sample_rate_hz``.
    :param text_span: the characters of ``Job.text`` it speaks, as (start, end), where the engine knows.
    """

    job_id: str
    samples: Audio
    text_span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class CodesMade:
    """The next codes of an :class:`EncodeJob`, shape (G, k)."""

    job_id: str
    codes: Codes


@dataclass(frozen=True, slots=True)
class Finished:
    """The job's audio, or its codes, are complete."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ends here without the rest of its audio; other jobs go on."""

    job_id: str
    message: str


Event = AudioChunk | CodesMade | Finished | Failed

Progress = Callable[[str, int, int | None], None]
"""Called while loading as ``progress(stage, done, total)``; bytes when the stage is a download."""


def no_progress(stage: str, done: int, total: int | None) -> None:
    """Ignore progress."""


class Engine(ABC):
    """One model on one device. Built and called from a single thread.

    The constructor takes an :class:`EngineConfig`, parses ``model`` and ``defaults`` and raises ``LoadError``
    naming the key at fault; it touches no weights.
    """

    summary: ClassVar[str] = ""
    """One line for ``voxgate engines`` and the docs."""

    @abstractmethod
    def __init__(self, config: EngineConfig): ...

    @abstractmethod
    def load(self, progress: Progress = no_progress) -> Capabilities:
        """Bring the weights to the device. Called once.

        :raises LoadError: when that is impossible; the message says what to do.
        """

    @abstractmethod
    def add(self, job: Job) -> None:
        """Admit a job; its audio comes from later steps. Must be quick: no model evaluation.

        :raises InvalidJob: when the job cannot be spoken as asked; the engine is unchanged then.
        """

    def convert(self, job: EncodeJob | DecodeJob) -> None:
        """Admit a job of the codec alone; codes or audio come from later steps. For engines that declare a codec.

        :raises InvalidJob: the engine has none, or the sound or the codes are unfit; the engine is unchanged then.
        """
        raise InvalidJob("this engine has no codec that requests could use")

    @abstractmethod
    def step(self) -> Sequence[Event]:
        """Advance every admitted job by one bounded unit of work, near 100 ms on the target device.

        Each job ends with exactly one ``Finished`` or ``Failed``, and nothing is said of it after that.

        :raises FatalFault: when no job can be served any more.
        """

    @abstractmethod
    def abort(self, job_id: str) -> None:
        """Forget a job; no event of it follows. Unknown or ended ids are ignored."""

    @abstractmethod
    def close(self) -> None:
        """Release the device. Called once, last."""
