"""What a stored voice is, which names and transcripts it may have, and the interface of a voice store.

Letters in shapes: N samples of mono audio.
"""

from __future__ import annotations

import io
import re
import unicodedata
import wave
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backends.base import Audio, Reference
from gateway.errors import InvalidRequest

MAX_NAME_CHARS = 64
MAX_TRANSCRIPT_CHARS = 1_000
VOICE_ID = re.compile(r"voice-[0-9a-f]{16}")

LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
# As decoders have it: 16-bit audio that is uploaded comes out bit for bit, so the same file is the same voice.
_INT16_SCALE = 32_768.0


@dataclass(frozen=True, slots=True)
class Voice:
    """A stored recording of someone's voice.

    :param id: derived from the content; the same recording and transcript have the same id everywhere.
    :param transcript: what is said in the recording; may be empty.
    :param language: a BCP 47 tag, where known.
    :param created_at: ISO 8601, UTC.
    :param digest: hash of recording and transcript, in full.
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
    """Keeps voices. Every method may block on storage, and may be called from any thread."""

    @abstractmethod
    def list(self) -> Sequence[Voice]:
        """Return all voices, by name."""

    @abstractmethod
    def get(self, id_or_name: str) -> Voice:
        """Return one voice. Names are compared without regard to case.

        :raises VoiceNotFound: when there is none; also for what could never be an id or name.
        """

    @abstractmethod
    def audio(self, id_or_name: str) -> bytes:
        """Return the stored recording, a mono 16-bit WAV file.

        :raises VoiceNotFound: when there is none.
        """

    @abstractmethod
    def load_reference(self, voice: Voice) -> Reference:
        """Return the recording as engines take it.

        :raises VoiceNotFound: when it has been removed.
        """

    @abstractmethod
    def add(
        self, name: str, transcript: str, audio: Audio, rate_hz: int, language: str | None = None
    ) -> tuple[Voice, bool]:
        """Store a recording of shape (N,).

        :returns: the voice, and whether it is new: storing one again under its name changes nothing.
        :raises InvalidRequest: when a value is not acceptable.
        :raises Conflict: when the name belongs to another voice, the content is stored under another name, or
            the store is full.
        """

    @abstractmethod
    def rename(self, id_or_name: str, name: str) -> Voice:
        """Give a voice another name; its id, which is its content's, stays.

        :raises VoiceNotFound: when there is none.
        :raises InvalidRequest: when the name is not acceptable.
        :raises Conflict: when it belongs to another voice.
        """

    @abstractmethod
    def remove(self, id_or_name: str) -> Voice:
        """Forget a voice and return what it was.

        :raises VoiceNotFound: when there is none.
        """


def check_name(name: str) -> str:
    """Return a voice's name in its canonical spelling.

    :raises InvalidRequest: unless it has 1 to 64 letters, digits (of any script), spaces, ``-``, ``_`` and ``.``,
        with no space at either end and no dot in front.
    """
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise InvalidRequest(
            f"a voice's name has 1 to {MAX_NAME_CHARS} characters; this one has {len(name)}", param="name"
        )
    if bad := sorted({char for char in name if not _is_name_char(char)}):
        raise InvalidRequest(
            f"a voice's name has letters, digits, spaces, '-', '_' and '.', but not {', '.join(map(ascii, bad))}",
            param="name",
        )
    if name != name.strip() or name.startswith(".") or _is_mark(name[0]):
        raise InvalidRequest(
            "a voice's name starts with a letter, a digit, '-' or '_', and ends with no space", param="name"
        )
    if VOICE_ID.fullmatch(name_key(name)):
        raise InvalidRequest("a voice's name may not look like a voice's id", param="name")
    return name


def name_key(name: str) -> str:
    """Return what two names have in common when they differ in case only."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def check_transcript(transcript: str) -> str:
    """Return a transcript in its canonical spelling: no blanks around it, and newlines as ``\\n``.

    :raises InvalidRequest: when it is longer than 1000 characters or has control characters.
    """
    transcript = transcript.replace("\r\n", "\n").strip()
    if len(transcript) > MAX_TRANSCRIPT_CHARS:
        raise InvalidRequest(
            f"a transcript has up to {MAX_TRANSCRIPT_CHARS} characters; this one has {len(transcript)}",
            param="transcript",
        )
    # Lone surrogates (Cs) get here through JSON, and could be neither stored nor spoken.
    bad = {char for char in transcript if char != "\n" and unicodedata.category(char) in ("Cc", "Cs")}
    if bad:
        raise InvalidRequest(
            f"a transcript has no control characters; this one has {', '.join(map(ascii, sorted(bad)))}",
            param="transcript",
        )
    return transcript


def check_language(language: str | None) -> str | None:
    """Return a language tag as it is.

    :raises InvalidRequest: when it does not look like a BCP 47 tag.
    """
    if language is not None and not LANGUAGE_TAG.fullmatch(language):
        raise InvalidRequest(f"{language!r} is no language tag such as 'en' or 'pt-BR'", param="language")
    return language


def to_wav(audio: Audio, rate_hz: int) -> bytes:
    """Return samples of shape (N,) as a mono 16-bit WAV file, the form in which recordings are stored.

    :raises InvalidRequest: when there are no samples, or some are not finite.
    """
    if audio.ndim != 1 or not len(audio) or not np.isfinite(audio).all():
        raise InvalidRequest("the recording has no samples, or some that are not finite numbers", param="audio")
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
    """Return the samples of what :func:`to_wav` made, shape (N,)."""
    with wave.open(io.BytesIO(wav)) as reader:
        pcm = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
    return pcm.astype(np.float32) / np.float32(_INT16_SCALE)


def _is_name_char(char: str) -> bool:
    return char.isalnum() or char in " -_." or _is_mark(char)


def _is_mark(char: str) -> bool:
    """Whether it belongs to the letter before it: vowel signs in Hindi, tones in Thai, some accents."""
    return unicodedata.category(char).startswith("M")
