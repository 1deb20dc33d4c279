"""Built-in voices, and the choice of a request's voice."""

from __future__ import annotations

from dataclasses import dataclass

from backends.base import BuiltinVoice, Job
from backends.errors import InvalidJob
from backends.fish.generation import VoicePrompt
from backends.fish.options import RANDOM_VOICE, VOICE_OPTIONS, FishOptions


@dataclass(frozen=True, slots=True)
class Voices:
    """The built-in voices: speakers that the checkpoint was fine-tuned on, and a random one.

    :param engine: the engine's name, for errors.
    :param default: the speaker of requests without a voice; None: the random voice.
    """

    engine: str
    speakers: tuple[str, ...]
    default: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all voices, the default one first."""
        first = (RANDOM_VOICE,) if self.default is None else (self.default, RANDOM_VOICE)
        return (*first, *(name for name in self.speakers if name != self.default))

    def builtin(self, language: str) -> tuple[BuiltinVoice, ...]:
        """Describe all voices, the default one first."""
        random = "a voice that the seed determines"
        return tuple(
            BuiltinVoice(name, language, random if name == RANDOM_VOICE else "a speaker of the checkpoint")
            for name in self.names
        )

    def prompt(self, job: Job, options: FishOptions) -> VoicePrompt:
        """Choose a job's voice: its reference, the codes in its options, a speaker, or a random voice.

        :raises InvalidJob: if the voice is unknown, or the job has more than one.
        """
        for key in VOICE_OPTIONS:
            if job.reference is not None and job.options.get(key) is not None:
                raise InvalidJob("cannot be combined with a reference: send one voice", param=f"options.{key}")
        if options.prompt_text is not None and options.prompt_tokens is None:
            raise InvalidJob("is the transcript of prompt_tokens, which are missing", param="options.prompt_text")
        speaker = self._speaker(job, options)
        if job.reference is not None:
            return VoicePrompt(speaker, job.reference.text, "reference_text", has_codes=True)
        if job.voice not in (None, *self.names):
            known = ", ".join(self.names)
            raise InvalidJob(f"{self.engine} has no voice {job.voice!r}; its voices are {known}", param="voice")
        has_codes = options.prompt_tokens is not None
        return VoicePrompt(speaker, options.prompt_text or "", "options.prompt_text", has_codes)

    def _speaker(self, job: Job, options: FishOptions) -> str | None:
        """The request's speaker, else its voice; else, for a request without a voice, the default speaker."""
        if job.options.get("speaker") is not None:
            return options.speaker
        if job.reference is not None or job.voice == RANDOM_VOICE or options.prompt_tokens is not None:
            return None
        return job.voice or options.speaker
