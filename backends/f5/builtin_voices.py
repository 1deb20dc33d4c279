"""Built-in voices: the clips that f5-tts ships, or a folder of clips that comes with the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from backends.base import BuiltinVoice, Reference
from backends.errors import LoadError
from backends.f5.vocabulary import package_file
from backends.hub.errors import HubError
from backends.hub.reference import HubReference, parse_reference

MAX_CLIPS = 128
CLIP_FILES = ("*.wav", "*.txt")


@dataclass(frozen=True, slots=True)
class PackageClip:
    """A recording in the f5-tts package with its transcript."""

    voice: BuiltinVoice
    file: str
    text: str


PACKAGE_CLIPS = (
    PackageClip(
        BuiltinVoice("basic_en", "en", "the English clip that f5-tts ships"),
        "infer/examples/basic/basic_ref_en.wav",
        "Some call me nature, others call me mother nature.",
    ),
    PackageClip(
        BuiltinVoice("basic_zh", "zh", "the Chinese clip that f5-tts ships"),
        "infer/examples/basic/basic_ref_zh.wav",
        "对，这就是我，万人敬仰的太乙真人。",
    ),
)


@dataclass(frozen=True, slots=True)
class BuiltinClip:
    """A built-in voice and the reference it is cloned from."""

    voice: BuiltinVoice
    reference: Reference


def configured_voices(reference: str | None, languages: Sequence[str]) -> list[BuiltinVoice]:
    """The built-in voices, as far as they are known without a download.

    :param reference: the configuration's folder of clips; None selects f5-tts's own.
    """
    if reference is None:
        return [clip.voice for clip in _package_clips(languages)]
    try:
        parsed = parse_reference(reference)
        paths = [] if isinstance(parsed, HubReference) else sorted(parsed.locate().glob("*.wav"))
    except HubError:  # loading will report it
        return []
    return [_folder_voice(path, next(iter(languages), "en")) for path in paths[:MAX_CLIPS]]


def package_clips(languages: Sequence[str]) -> list[BuiltinClip]:
    """Load f5-tts's clips in these languages, or its English one for other languages.

    :raises LoadError: if a file is missing.
    """
    return [
        BuiltinClip(clip.voice, _read(package_file(clip.file), clip.text, clip.voice.name))
        for clip in _package_clips(languages)
    ]


def _package_clips(languages: Sequence[str]) -> list[PackageClip]:
    return [clip for clip in PACKAGE_CLIPS if clip.voice.language in languages] or list(PACKAGE_CLIPS[:1])


def _folder_voice(path: Path, language: str) -> BuiltinVoice:
    return BuiltinVoice(path.stem, language, "comes with the checkpoint")


def folder_clips(folder: Path, language: str) -> list[BuiltinClip]:
    """Load a folder of clips, sorted by name: NAME.wav with its transcript NAME.txt becomes the voice NAME.

    :raises LoadError: if a file is missing or unreadable; names the file.
    """
    paths = sorted(folder.glob("*.wav"))
    if not 0 < len(paths) <= MAX_CLIPS:
        raise LoadError(f"{folder}: {len(paths)} recordings (NAME.wav); must have 1 to {MAX_CLIPS}")
    clips = []
    for path in paths:
        transcript = path.with_suffix(".txt")
        try:
            text = transcript.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise LoadError(f"{transcript}: no readable transcript of {path.name} ({error})") from error
        if not text:
            raise LoadError(f"{transcript}: empty; must be the transcript of {path.name}")
        clips.append(BuiltinClip(_folder_voice(path, language), _read(path, text, path.stem)))
    return clips


def _read(path: Path, text: str, name: str) -> Reference:
    try:
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise LoadError(f"{path}: {error}") from error
    return Reference(audio.mean(axis=1), rate_hz, text, f"builtin:{name}")
