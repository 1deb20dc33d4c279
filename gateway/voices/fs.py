"""Voices in a folder, which several gateway processes may share.

Each voice is a folder ``<id>/`` with ``voice.json`` and ``audio.wav``. It is written under a temporary name and
renamed into place, so that a voice is there completely or not at all, whenever the machine stops. What is asked for
is looked up among the voices found; no path is ever built from it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import filelock
import msgspec

from backends.base import Audio, Reference
from gateway.errors import Conflict, GatewayError, InvalidRequest, VoiceNotFound
from gateway.voices.store import (
    VOICE_ID,
    Voice,
    VoiceStore,
    check_language,
    check_name,
    check_transcript,
    from_wav,
    name_key,
    to_wav,
)

_log = logging.getLogger(__name__)

_TEMPORARY = ".tmp-"
_MAX_JSON_BYTES = 64 * 2**10
_LEFTOVER_AGE_S = 3_600.0
_LOCK_TIMEOUT_S = 30.0
_MAX_CACHED_REFERENCES = 32
# File systems keep times in steps, some of two seconds: a folder may change again without looking any younger.
_MTIME_STEP_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Found:
    """One voice's folder as last read; ``voice`` is None where it is damaged."""

    signature: tuple[int, int]
    voice: Voice | None


class FileVoiceStore(VoiceStore):
    """A :class:`VoiceStore` in a folder, which is created when missing.

    :param max_voices: how many voices there may be.
    """

    def __init__(self, folder: Path, max_voices: int):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._max_voices = max_voices
        self._process_lock = filelock.FileLock(folder / ".lock", timeout=_LOCK_TIMEOUT_S)
        self._lock = threading.Lock()  # guards what follows
        self._found: dict[str, _Found] = {}
        self._seen_mtime_ns: int | None = None
        self._references: OrderedDict[str, Reference] = OrderedDict()
        self._remove_leftovers()

    def list(self) -> Sequence[Voice]:
        """See :meth:`VoiceStore.list`."""
        return sorted(self._voices(), key=lambda voice: (name_key(voice.name), voice.id))

    def get(self, id_or_name: str) -> Voice:
        """See :meth:`VoiceStore.get`."""
        key = name_key(id_or_name)
        for voice in self._voices():
            if id_or_name == voice.id or key == name_key(voice.name):
                return voice
        raise VoiceNotFound(f"there is no voice {id_or_name[:80]!r}", param="voice")

    def audio(self, id_or_name: str) -> bytes:
        """See :meth:`VoiceStore.audio`."""
        voice = self.get(id_or_name)
        try:
            return (self._folder / voice.id / "audio.wav").read_bytes()
        except FileNotFoundError:
            raise VoiceNotFound(f"the voice {voice.name!r} was removed", param="voice") from None

    def load_reference(self, voice: Voice) -> Reference:
        """See :meth:`VoiceStore.load_reference`. The samples are shared and cannot be written to."""
        voice = self.get(voice.id)
        with self._lock:
            if cached := self._references.get(voice.id):
                self._references.move_to_end(voice.id)
                return cached
        wav = self.audio(voice.id)
        if _digest(wav, voice.transcript) != voice.digest:
            raise GatewayError(f"the stored recording of the voice {voice.name!r} is damaged")
        samples = from_wav(wav)
        samples.setflags(write=False)
        reference = Reference(samples, voice.rate_hz, voice.transcript, voice.digest)
        with self._lock:
            self._references[voice.id] = reference
            while len(self._references) > _MAX_CACHED_REFERENCES:
                self._references.popitem(last=False)
        return reference

    def add(
        self, name: str, transcript: str, audio: Audio, rate_hz: int, language: str | None = None
    ) -> tuple[Voice, bool]:
        """See :meth:`VoiceStore.add`."""
        name, transcript, language = check_name(name), check_transcript(transcript), check_language(language)
        wav = to_wav(audio, rate_hz)
        digest = _digest(wav, transcript)
        voice = Voice(
            id=f"voice-{digest[:16]}",
            name=name,
            transcript=transcript,
            language=language,
            duration_s=len(audio) / rate_hz,
            rate_hz=rate_hz,
            created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            digest=digest,
        )
        with self._exclusive():
            if existing := self._existing(voice):
                return existing, False
            self._write(voice, wav)
        return voice, True

    def rename(self, id_or_name: str, name: str) -> Voice:
        """See :meth:`VoiceStore.rename`."""
        name = check_name(name)
        with self._exclusive():
            voice = self.get(id_or_name)
            for other in self._voices():
                if other.id != voice.id and name_key(other.name) == name_key(name):
                    raise Conflict(f"there is another voice of the name {other.name!r}", param="name")
            renamed = replace(voice, name=name)
            place = self._folder / voice.id
            temporary = place / f"{_TEMPORARY}{uuid.uuid4().hex}"
            _write_durably(temporary, _json(renamed))
            temporary.rename(place / "voice.json")
            _sync_folder(place)
            os.utime(self._folder)  # other processes look into the folder again when it has changed
        return renamed

    def remove(self, id_or_name: str) -> Voice:
        """See :meth:`VoiceStore.remove`."""
        with self._exclusive():
            voice = self.get(id_or_name)
            self._discard(self._folder / voice.id)
        with self._lock:
            self._references.pop(voice.id, None)
        return voice

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keep other threads and processes from changing the folder."""
        try:
            with self._process_lock:
                yield
        except filelock.Timeout:
            raise Conflict("the voices are being changed by another process; try again", retry_after_s=1) from None
        finally:
            with self._lock:
                self._seen_mtime_ns = None

    def _existing(self, new: Voice) -> Voice | None:
        """Return the same voice, where it is stored already, or raise what speaks against storing it."""
        voices = self._voices()
        for voice in voices:
            if voice.id == new.id and name_key(voice.name) == name_key(new.name):
                return voice
            if voice.id == new.id:
                raise Conflict(
                    f"this recording with this transcript is stored already, as the voice {voice.name!r}", param="audio"
                )
            if name_key(voice.name) == name_key(new.name):
                raise Conflict(f"there is another voice of the name {voice.name!r}; remove it first", param="name")
        if len(voices) >= self._max_voices:
            raise Conflict(f"there are {len(voices)} voices and may be {self._max_voices}; remove one first")
        return None

    def _voices(self) -> Sequence[Voice]:
        with self._lock:
            self._refresh()
            return [found.voice for found in self._found.values() if found.voice]

    def _refresh(self) -> None:
        """Read what has changed in the folder since the last time."""
        mtime_ns = self._folder.stat().st_mtime_ns
        if mtime_ns == self._seen_mtime_ns:
            return
        settled = time.time_ns() - mtime_ns > _MTIME_STEP_NS
        with os.scandir(self._folder) as entries:
            ids = [entry.name for entry in entries if VOICE_ID.fullmatch(entry.name)]
        self._found = {voice_id: found for voice_id in ids if (found := self._read(voice_id))}
        self._seen_mtime_ns = mtime_ns if settled else None

    def _read(self, voice_id: str) -> _Found | None:
        """Return what is known of one folder; None when it is gone by now."""
        folder = self._folder / voice_id
        path = folder / "voice.json"
        try:
            state = (path if path.exists() else folder).stat()
        except FileNotFoundError:
            return None
        signature = (state.st_ino, state.st_mtime_ns)
        known = self._found.get(voice_id)
        if known and known.signature == signature:
            return known
        try:
            voice = msgspec.json.decode(_read_bounded(path), type=Voice)
            if voice.id != voice_id or check_name(voice.name) != voice.name:
                raise ValueError("voice.json is of another voice, or has an impossible name")
            if not (folder / "audio.wav").is_file():
                raise ValueError("audio.wav is missing")
        except (OSError, ValueError, RecursionError, msgspec.MsgspecError, InvalidRequest) as error:
            # Damage to one voice must not hide the others. Storing the same recording again repairs it.
            _log.warning("voice folder %s is damaged and ignored: %s", folder, error)
            return _Found(signature, None)
        return _Found(signature, voice)

    def _write(self, voice: Voice, wav: bytes) -> None:
        temporary = self._folder / f"{_TEMPORARY}{uuid.uuid4().hex}"
        temporary.mkdir()
        try:
            _write_durably(temporary / "audio.wav", wav)
            _write_durably(temporary / "voice.json", _json(voice))
            _sync_folder(temporary)
            place = self._folder / voice.id
            if place.exists():  # damaged, or it would have been found
                self._discard(place)
            temporary.rename(place)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync_folder(self._folder)

    def _discard(self, place: Path) -> None:
        """Take a voice's folder away at once, then delete what is in it."""
        temporary = self._folder / f"{_TEMPORARY}{uuid.uuid4().hex}"
        place.rename(temporary)
        _sync_folder(self._folder)
        shutil.rmtree(temporary, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Delete what writing or removing left behind when a process was killed; not what goes on just now."""
        for path in self._folder.glob(f"{_TEMPORARY}*"):
            try:
                if time.time() - path.stat().st_mtime > _LEFTOVER_AGE_S:
                    shutil.rmtree(path)
            except OSError as error:
                _log.warning("leftover %s could not be deleted: %s", path, error)


def _digest(wav: bytes, transcript: str) -> str:
    return hashlib.sha256(wav + b"\0" + transcript.encode()).hexdigest()


def _json(voice: Voice) -> bytes:
    return msgspec.json.format(msgspec.json.encode(voice), indent=2)


def _read_bounded(path: Path) -> bytes:
    """A voice.json: some 2 kB. A larger file is something else."""
    with path.open("rb") as file:
        data = file.read(_MAX_JSON_BYTES + 1)
    if len(data) > _MAX_JSON_BYTES:
        raise ValueError(f"{path.name} is larger than {_MAX_JSON_BYTES} bytes")
    return data


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
