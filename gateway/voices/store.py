"""Voice store interface, and the rules for a voice's name, transcript, language and recording."""

from __future__ import annotations

import io
import re
import unicodedata
import wave
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from backends.base import Audio, Reference
from gateway.errors import InvalidRequest

MAX_NAME_CHARS = 64
# Signs of people's names and of copies. They need no care: no path is built from a name, and clients encode it in URLs.
NAME_SIGNS = "-_.'’()（）&,+·・"
MAX_TRANSCRIPT_CHARS = 1_000
MAX_LANGUAGE_CHARS = 64
VOICE_ID = re.compile(r"voice-[0-9a-f]{16}")

LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
# The scale that decoders use, so that uploaded 16-bit audio is stored bit for bit and equal files are the same voice.
_INT16_SCALE = 32_768.0


@dataclass(frozen=True, slots=True)
class Voice:
    """A stored reference recording with its transcript.

    :param id: derived from the content; equal recordings with equal transcripts have the same ID everywhere.
    :param transcript: the words of the recording; may be empty.
    :param language: BCP 47 tag, if known.
    :param created_at: ISO 8601, UTC.
    :param digest: full hash of recording and transcript.
    """

    id: str
    name: str
    transcript: str
    language: str | None
    duration_s: float
    rate_hz: int
    created_at: str
    digest: str


class VoiceStore(ABC):
    """Storage of voices. Methods may block on I/O, and are thread-safe."""

    @abstractmethod
    def list(self) -> Sequence[Voice]:
        """Return all voices, by name."""

    @abstractmethod
    def get(self, id_or_name: str) -> Voice:
        """Return one voice. Names are case-insensitive.

        :raises VoiceNotFound: if the voice does not exist, or the ID or name is invalid.
        """

    @abstractmethod
    def audio(self, id_or_name: str) -> bytes:
        """Return the stored recording as a mono 16-bit WAV file.

        :raises VoiceNotFound: if the voice does not exist.
        """

    @abstractmethod
    def load_reference(self, voice: Voice) -> Reference:
        """Return the recording as engines receive it.

        :raises VoiceNotFound: if the voice has been removed.
        """

    @abstractmethod
    def add(
        self, name: str, transcript: str, audio: Audio, rate_hz: int, language: str | None = None
    ) -> tuple[Voice, bool]:
        """Store a recording of shape (N,).

        Storing the same recording again under the same name changes nothing.

        :returns: the voice, and whether it is new.
        :raises InvalidRequest: if a value is invalid.
        :raises Conflict: if another voice has the name, the recording is stored under another name, or the store is
            full.
        """

    @abstractmethod
    def rename(self, id_or_name: str, name: str) -> Voice:
        """Rename a voice. Its ID, which is derived from the content, stays.

        :raises VoiceNotFound: if the voice does not exist.
        :raises InvalidRequest: if the name is invalid.
        :raises Conflict: if another voice has the name.
        """

    @abstractmethod
    def remove(self, id_or_name: str) -> Voice:
        """Remove a voice and return it.

        :raises VoiceNotFound: if the voice does not exist.
        """


def check_name(name: str) -> str:
    """Return a voice name in NFC, after checking it.

    :raises InvalidRequest: unless it has 1 to 64 letters, digits (of any script), spaces and signs of
        :data:`NAME_SIGNS`, starts with a letter, a digit, ``-``, ``_`` or a parenthesis, does not end with a space, and
        does not have the form of an ID.
    """
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise InvalidRequest(
            f"the voice name has {len(name)} characters: must have 1 to {MAX_NAME_CHARS}", param="name"
        )
    if bad := sorted({char for char in name if not _is_name_char(char)}):
        raise InvalidRequest(
            f"invalid characters in the voice name: {', '.join(map(ascii, bad))}; "
            f"letters, digits, spaces and {NAME_SIGNS} are allowed",
            param="name",
        )
    if name != name.strip() or not (name[0].isalnum() or name[0] in "-_(（"):
        raise InvalidRequest(
            "invalid voice name: must start with a letter, a digit, '-', '_' or '(', and must not end with a space",
            param="name",
        )
    if VOICE_ID.fullmatch(name_key(name)):
        raise InvalidRequest("invalid voice name: must not have the form of a voice ID", param="name")
    return name


def name_key(name: str) -> str:
    """Case-folded form of a name, for comparison."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def find_name(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that a client means: the same name, or else the first that differs only in case."""
    known = tuple(names)
    return name if name in known else next((other for other in known if name_key(other) == name_key(name)), None)


def check_transcript(transcript: str) -> str:
    """Return a transcript stripped and with newlines as ``\\n``, after checking it.

    :raises InvalidRequest: if it is longer than 1000 characters or contains control characters.
    """
    transcript = transcript.replace("\r\n", "\n").strip()
    if len(transcript) > MAX_TRANSCRIPT_CHARS:
        raise InvalidRequest(
            f"the transcript has {len(transcript)} characters: at most {MAX_TRANSCRIPT_CHARS} are allowed",
            param="transcript",
        )
    # JSON may contain lone surrogates (Cs), which can be neither stored nor spoken.
    bad = {char for char in transcript if char != "\n" and unicodedata.category(char) in ("Cc", "Cs")}
    if bad:
        raise InvalidRequest(
            f"control characters in the transcript: {', '.join(map(ascii, sorted(bad)))}; remove them",
            param="transcript",
        )
    return transcript


def check_language(language: str | None) -> str | None:
    """Return a language tag unchanged, after checking it.

    :raises InvalidRequest: if it does not have the form of a BCP 47 tag.
    """
    if language is not None and not (len(language) <= MAX_LANGUAGE_CHARS and LANGUAGE_TAG.fullmatch(language)):
        raise InvalidRequest(
            f"invalid language {language!r}: must be a BCP 47 tag such as 'en' or 'pt-BR', of at most "
            f"{MAX_LANGUAGE_CHARS} characters",
            param="language",
        )
    return language


def to_wav(audio: Audio, rate_hz: int) -> bytes:
    """Encode samples of shape (N,) as a mono 16-bit WAV file, the stored form of recordings.

    :raises InvalidRequest: if there are no samples, or some are not finite.
    """
    if audio.ndim != 1 or not len(audio) or not np.isfinite(audio).all():
        raise InvalidRequest("the recording is empty, or has samples that are NaN or infinite", param="audio")
    scaled = np.rint(np.asarray(audio, np.float64) * _INT16_SCALE)
    pcm = np.clip(scaled, -_INT16_SCALE, _INT16_SCALE - 1).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(pcm.tobytes())
    return file.getvalue()


def from_wav(wav: bytes) -> Audio:
    """Decode the output of :func:`to_wav`; returns shape (N,)."""
    with wave.open(io.BytesIO(wav)) as reader:
        pcm = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
    return pcm.astype(np.float32) / np.float32(_INT16_SCALE)


def _is_name_char(char: str) -> bool:
    return char.isalnum() or char == " " or char in NAME_SIGNS or _is_mark(char)


def _is_mark(char: str) -> bool:
    """Whether the character modifies the letter before it: Hindi vowel signs, Thai tone marks, some accents."""
    return unicodedata.category(char).startswith("M")
