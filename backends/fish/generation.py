"""The interface between the engine and one generation of Fish-Speech.

A generation provides a codec, a language model and a front end that turns text into prompts. The engine schedules jobs
over them and knows nothing else about them. This module imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from backends.base import Audio, Cloning, Codes, EngineConfig, Job, Progress
from backends.fish.options import FishOptions
from backends.hub import Hub
from backends.text import Alphabet

if TYPE_CHECKING:
    import torch

ChunkKey = tuple[str, int]
"""Job ID and chunk index. A codec job has the index 0."""

Prompt = npt.NDArray[np.int32]
"""Language-model input, shape (1 + K, T), T in tokens: token IDs in row 0, code IDs of each codebook below."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The codec's layout in one generation.

    :param rate_hz: sample rate of the audio.
    :param samples_per_frame: audio samples per code frame.
    :param codebooks: K, the number of codes per frame.
    """

    rate_hz: int
    samples_per_frame: int
    codebooks: int

    @property
    def no_codes(self) -> Codes:
        """Codes of zero frames, shape (K, 0)."""
        return np.zeros((self.codebooks, 0), np.int64)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters of one sequence.

    :param temperature: 0: greedy.
    :param top_p: 1 and above: off.
    :param top_k: None or 0: off.
    :param repetition_penalty: applied to codes of recent frames; 1: off.
    """

    temperature: float = 0.7
    top_p: float = 0.5
    top_k: int | None = None
    repetition_penalty: float = 1.5

    @classmethod
    def of(cls, options: FishOptions) -> Sampling:
        """Return the parameters that a request specifies."""
        return cls(options.temperature, options.top_p, options.top_k, options.repetition_penalty)


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A prompt for the language model to continue.

    :param prompt: shape (1 + K, T), T in tokens.
    :param seed: of the sampling noise, which is generated on the CPU: the same on every device.
    :param max_new_tokens: limit of generated frames, including the last one, which is dropped; 0: until the context
        is full.
    """

    id: ChunkKey
    prompt: npt.NDArray[np.integer]
    seed: int
    sampling: Sampling = field(default_factory=Sampling)
    max_new_tokens: int = 0

    @property
    def owner(self) -> str:
        """ID of the job, for fair queueing among jobs."""
        return self.id[0]

    @property
    def frames(self) -> int:
        """Prompt length in tokens: the cost that is known in advance."""
        return int(self.prompt.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class StepOutput:
    """The output of one step for one sequence.

    :param codes: new codes, shape (K, T), T >= 0 in code frames.
    :param ended: whether this is the sequence's last output.
    :param failure: the error that ended the sequence, or None.
    """

    id: ChunkKey
    codes: npt.NDArray[np.int64]
    ended: bool = False
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A span of a job's text, tokenized.

    :param span: start and end in ``Job.text``.
    :param rows: the prompt without the voice's codes, shape (1 + K, T), T in tokens.
    """

    span: tuple[int, int]
    rows: Prompt

    @property
    def tokens(self) -> int:
        """Prompt length without the voice's codes."""
        return int(self.rows.shape[1])


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A job's text as the language model reads it.

    :param chunks: in the order of the text; at least one.
    :param voice_from_first_chunk: whether the later chunks are prompted with the codes generated for the first one.
    """

    chunks: tuple[TextChunk, ...]
    voice_from_first_chunk: bool = False

    @property
    def longest(self) -> int:
        """Tokens of the longest chunk."""
        return max(chunk.tokens for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class VoicePrompt:
    """The voice of a prompt, apart from its codes.

    :param speaker: name of a speaker the checkpoint was fine-tuned on.
    :param transcript: the text spoken in the voice's recording; empty if unknown.
    :param transcript_param: name of the request parameter that the transcript comes from, for errors.
    :param has_codes: whether the prompt will have codes of a recording.
    """

    speaker: str | None = None
    transcript: str = ""
    transcript_param: str = ""
    has_codes: bool = False


@dataclass(frozen=True, slots=True)
class DecoderOutput:
    """The next audio of one code stream.

    :param samples: float32, shape (N,).
    :param last: whether the stream ends here.
    :param failure: the error that ended the stream, or None.
    """

    key: ChunkKey
    samples: Audio
    last: bool
    failure: str | None = None


class WindowedEncoder(Protocol):
    """Encodes one recording in windows, so that a long one does not block the engine."""

    @property
    def complete(self) -> bool:
        """Whether all codes were returned."""

    def step(self) -> Codes:
        """Return the next codes, int64, shape (K, T), T in code frames."""


class Codec(Protocol):
    """Audio to codes and back."""

    @property
    def sizes(self) -> Sizes:
        """The codec's layout."""

    @property
    def codebook_size(self) -> int:
        """Codes are in ``range(codebook_size)``."""

    def frames(self, samples: int) -> int:
        """Return the number of code frames of a recording of ``samples`` samples."""

    def check(self, codes: Codes) -> None:
        """Validate codes.

        :raises ValueError: if their shape, dtype or range is wrong.
        """

    def encode(self, audios: list[Audio]) -> list[Codes]:
        """Encode recordings, each (N,), to codes, each int64 (K, T), T in code frames."""

    def decode(self, codes: list[Codes]) -> list[Audio]:
        """Decode codes, each (K, T), to audio, each float32 (N,)."""

    def windowed_encoder(self, audio: Audio) -> WindowedEncoder:
        """Encode one recording, shape (N,), in steps."""


class StreamingDecoder(Protocol):
    """Decodes codes of many streams while they are generated."""

    def __len__(self) -> int: ...

    def push(self, key: ChunkKey, codes: Codes, last: bool, low_latency: bool = True) -> None:
        """Append codes, shape (K, T), to a stream; a new key starts one.

        :param low_latency: decode the first audio in short windows; read on the stream's first push.
        """

    def remove(self, keys: Collection[ChunkKey]) -> None:
        """Drop streams; unknown keys are ignored."""

    def step(self) -> list[DecoderOutput]:
        """Decode the next windows."""


class LanguageModelEngine(Protocol):
    """Continuous batching over the language model."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights read per generated frame."""

    def __len__(self) -> int: ...

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence.

        :raises InvalidJob: if its prompt is too long or invalid.
        """

    def remove(self, ids: Collection[ChunkKey]) -> None:
        """Drop sequences; unknown IDs are ignored."""

    def step(self) -> list[StepOutput]:
        """Generate one frame for every active sequence."""


class FrontEnd(Protocol):
    """Text and a voice to prompts."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Supported languages, BCP 47."""

    @property
    def alphabet(self) -> Alphabet:
        """The characters of texts in these languages, and the markup that is interpreted."""

    def prepare(self, job: Job, options: FishOptions, voice: VoicePrompt) -> PreparedText:
        """Normalize, split and tokenize a job's text.

        :raises InvalidJob: if the text or the transcript cannot be spoken, or is too long.
        """

    def encode(self, text: str, options: FishOptions, voice: VoicePrompt) -> TextChunk:
        """Tokenize a text as it is, in one chunk.

        :raises InvalidJob: if the text or the transcript cannot be spoken.
        """

    def prompt(self, chunk: TextChunk, codes: Codes) -> Prompt:
        """Combine a chunk with the voice's codes, shape (K, T); T may be 0."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The loaded parts of a generation.

    :param name: of the model, as shown to users.
    :param dtype: of the language model, e.g. ``bfloat16``.
    :param slots: sequences that are generated at once.
    :param max_prompt_tokens: limit of a prompt, text and voice together.
    """

    name: str
    codec: Codec
    decoder: StreamingDecoder
    lm: LanguageModelEngine
    front_end: FrontEnd
    slots: int
    max_prompt_tokens: int
    dtype: str


class Generation(Protocol):
    """One generation of Fish-Speech with its ``model:`` configuration; nothing is loaded yet."""

    @property
    def sizes(self) -> Sizes:
        """The layout of its codec."""

    @property
    def options(self) -> type[FishOptions]:
        """The type of its per-request options."""

    @property
    def files(self) -> Mapping[str, str]:
        """References of the files that :meth:`load` fetches, by configuration key."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """Speakers that the checkpoint was fine-tuned on."""

    @property
    def cloning(self) -> Cloning:
        """See :class:`backends.base.Capabilities`."""

    @property
    def languages(self) -> tuple[str, ...] | None:
        """The configured languages; None: all whose dictionaries are installed."""

    @property
    def lm_codebook_size(self) -> int:
        """Codes the language model can be prompted with are in ``range(lm_codebook_size)``."""

    def load(self, config: EngineConfig, progress: Progress) -> Pipeline:
        """Fetch and load everything.

        :raises LoadError: if a file is missing, or the parts do not fit together.
        """

    def load_codec(self, hub: Hub, device: torch.device, progress: Progress) -> Codec:
        """Fetch and load the codec alone.

        :raises LoadError: if the checkpoint is missing or is not a codec.
        """

    def load_lm(
        self, hub: Hub, device: torch.device, dtype: torch.dtype, progress: Progress
    ) -> tuple[str, FrontEnd, LanguageModelEngine]:
        """Fetch and load the language model and its front end; the first value is the model's name.

        :raises LoadError: if a file is missing, or the parts do not fit together.
        """
