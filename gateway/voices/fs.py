"""Voice store in a folder, which several gateway processes may share.

Each voice is a folder ``<id>/`` with ``voice.json`` and ``audio.wav``. It is written under a temporary name and then
renamed, so that a crash cannot leave an incomplete voice. Names from requests are compared with stored voices; no path
is built from them.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import filelock
import msgspec

from backends.base import Audio, Reference
from backends.lru import LRUCache
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
# Time stamps of file systems have a resolution of up to two seconds, so a folder may change without a newer mtime.
_MTIME_STEP_NS = 2_000_000_000
# A container's file system may be read-only, and its user may own nothing: speech needs no voice store.
_READ_ONLY_ERRNOS = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class _Entry:
    """A voice's folder as last read; ``voice`` is None if it is damaged."""

    signature: tuple[int, int]
    voice: Voice | None


class FileVoiceStore(VoiceStore):
    """A :class:`VoiceStore` in a folder, which is created if it does not exist.

    If the folder cannot be written, its voices can be used but not changed, and no voice can be stored.

    :param max_voices: maximum number of voices.
    """

    def __init__(self, folder: Path, max_voices: int):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno not in _READ_ONLY_ERRNOS:
                raise
            _log.warning("data_dir: %s cannot be created (%s): no voices can be stored", folder, error.strerror)
        self._folder = folder
        self._max_voices = max_voices
        self._process_lock = filelock.FileLock(folder / ".lock", timeout=_LOCK_TIMEOUT_S)
        self._lock = threading.Lock()  # guards the attributes below
        self._entries: dict[str, _Entry] = {}
        self._read_mtime_ns: int | None = None
        self._references: LRUCache[str, Reference] = LRUCache(_MAX_CACHED_REFERENCES)
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
        raise VoiceNotFound(f"unknown voice {id_or_name[:80]!r}: must be a stored voice's name or ID", param="voice")

    def audio(self, id_or_name: str) -> bytes:
        """See :meth:`VoiceStore.audio`."""
        voice = self.get(id_or_name)
        try:
            return (self._folder / voice.id / "audio.wav").read_bytes()
        except FileNotFoundError:
            raise VoiceNotFound(f"the voice {voice.name!r} was removed", param="voice") from None

    def load_reference(self, voice: Voice) -> Reference:
        """See :meth:`VoiceStore.load_reference`. The samples are shared and read-only."""
        voice = self.get(voice.id)
        with self._lock:
            if cached := self._references.get(voice.id):
                return cached
        wav = self.audio(voice.id)
        if _digest(wav, voice.transcript) != voice.digest:
            raise GatewayError(f"the stored recording of the voice {voice.name!r} is damaged")
        samples = from_wav(wav)
        samples.setflags(write=False)
        reference = Reference(samples, voice.rate_hz, voice.transcript, voice.digest)
        with self._lock:
            self._references.put(voice.id, reference)
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
                    raise Conflict(f"the name {other.name!r} is taken: choose another name", param="name")
            renamed = replace(voice, name=name)
            folder = self._folder / voice.id
            temporary = folder / f"{_TEMPORARY}{uuid.uuid4().hex}"
            _write_durably(temporary, _json(renamed))
            temporary.rename(folder / "voice.json")
            _sync_folder(folder)
            os.utime(self._folder)  # other processes read the store again when its mtime has changed
        return renamed

    def remove(self, id_or_name: str) -> Voice:
        """See :meth:`VoiceStore.remove`."""
        with self._exclusive():
            voice = self.get(id_or_name)
            self._discard(self._folder / voice.id)
        with self._lock:
            self._references.remove(voice.id)
        return voice

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Lock the folder against changes by other threads and processes."""
        try:
            with self._process_lock:
                yield
        except filelock.Timeout:
            raise Conflict("another process is changing the voices: retry later", retry_after_s=1) from None
        except OSError as error:
            if error.errno not in _READ_ONLY_ERRNOS:
                raise
            raise Conflict(
                f"voices cannot be stored or changed: the folder {self._folder} cannot be written ({error.strerror}); "
                "set data_dir to another folder"
            ) from None
        finally:
            with self._lock:
                self._read_mtime_ns = None

    def _existing(self, new: Voice) -> Voice | None:
        """Return the voice if it is stored already.

        :raises Conflict: if it cannot be stored.
        """
        voices = self._voices()
        for voice in voices:
            if voice.id == new.id and name_key(voice.name) == name_key(new.name):
                return voice
            if voice.id == new.id:
                raise Conflict(
                    f"this recording with this transcript is stored already, as the voice {voice.name!r}", param="audio"
                )
            if name_key(voice.name) == name_key(new.name):
                raise Conflict(
                    f"the name {voice.name!r} is taken: choose another name, or remove that voice first", param="name"
                )
        if len(voices) >= self._max_voices:
            raise Conflict(f"the store has {len(voices)} voices (limit: {self._max_voices}): remove one first")
        return None

    def _voices(self) -> Sequence[Voice]:
        with self._lock:
            self._refresh()
            return [entry.voice for entry in self._entries.values() if entry.voice]

    def _refresh(self) -> None:
        """Read the voices that have changed since the last read."""
        try:
            mtime_ns = self._folder.stat().st_mtime_ns
        except (FileNotFoundError, PermissionError):  # it could not be created
            self._entries = {}
            return
        if mtime_ns == self._read_mtime_ns:
            return
        settled = time.time_ns() - mtime_ns > _MTIME_STEP_NS
        with os.scandir(self._folder) as entries:
            ids = [entry.name for entry in entries if VOICE_ID.fullmatch(entry.name)]
        self._entries = {voice_id: entry for voice_id in ids if (entry := self._read(voice_id))}
        self._read_mtime_ns = mtime_ns if settled else None

    def _read(self, voice_id: str) -> _Entry | None:
        """Read one voice's folder; return None if it no longer exists."""
        folder = self._folder / voice_id
        path = folder / "voice.json"
        try:
            state = (path if path.exists() else folder).stat()
        except FileNotFoundError:
            return None
        signature = (state.st_ino, state.st_mtime_ns)
        known = self._entries.get(voice_id)
        if known and known.signature == signature:
            return known
        try:
            voice = msgspec.json.decode(_read_bounded(path), type=Voice)
            if voice.id != voice_id or check_name(voice.name) != voice.name:
                raise ValueError("voice.json belongs to another voice, or contains an invalid name")
            if not (folder / "audio.wav").is_file():
                raise ValueError("audio.wav is missing")
        except (OSError, ValueError, RecursionError, msgspec.MsgspecError, InvalidRequest) as error:
            # The other voices stay usable. Storing the same recording again repairs this one.
            _log.warning("voice folder %s is damaged and ignored: %s", folder, error)
            return _Entry(signature, None)
        return _Entry(signature, voice)

    def _write(self, voice: Voice, wav: bytes) -> None:
        temporary = self._folder / f"{_TEMPORARY}{uuid.uuid4().hex}"
        temporary.mkdir()
        try:
            _write_durably(temporary / "audio.wav", wav)
            _write_durably(temporary / "voice.json", _json(voice))
            _sync_folder(temporary)
            folder = self._folder / voice.id
            if folder.exists():  # damaged, or _existing would have returned it
                self._discard(folder)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync_folder(self._folder)

    def _discard(self, folder: Path) -> None:
        """Remove a voice's folder atomically by renaming it, then delete its files."""
        temporary = self._folder / f"{_TEMPORARY}{uuid.uuid4().hex}"
        folder.rename(temporary)
        _sync_folder(self._folder)
        shutil.rmtree(temporary, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Delete temporary folders of killed processes, but not those of writes in progress."""
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
    """Read a voice.json, which has some 2 kB; reject much larger files."""
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
