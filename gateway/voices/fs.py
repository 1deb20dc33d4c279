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
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import filelock
import msgspec

from backends.base import Audio, Reference
from backends.lru import LRUCache
from gateway import disk
from gateway.errors import Conflict, GatewayError, InvalidRequest, VoiceNotFound, shortened
from gateway.voices.store import (
    VOICE_ID,
    DamagedVoice,
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

_MAX_JSON_BYTES = 64 * 2**10
_MAX_REASON_CHARS = 200
_LOCK_TIMEOUT_S = 30.0
_MAX_CACHED_REFERENCES = 32
# A container's disk may be full or read-only, and its user may own nothing: speech needs no voice store.
_UNWRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT})
# Time stamps of file systems have a resolution of up to two seconds, so a folder may change without a newer mtime.
_MTIME_STEP_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Entry:
    """A voice's folder as last read."""

    signature: tuple[int, int]
    voice: Voice | DamagedVoice


class FileVoiceStore(VoiceStore):
    """A :class:`VoiceStore` in a folder, which is created if it does not exist.

    If the folder cannot be written, its voices can be used but not changed, and no voice can be stored.

    :param max_voices: maximum number of voices, damaged ones included.
    :param max_bytes: maximum size of all files.
    """

    def __init__(self, folder: Path, max_voices: int, max_bytes: int = 2**40):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno not in _UNWRITABLE:
                raise
            _log.warning("data_dir: %s cannot be created (%s): no voices can be stored", folder, error.strerror)
        self._folder = folder
        self._max_voices = max_voices
        self._max_bytes = max_bytes
        self._process_lock = filelock.FileLock(folder / ".lock", timeout=_LOCK_TIMEOUT_S)
        self._lock = threading.Lock()  # guards the attributes below
        self._entries: dict[str, _Entry] = {}
        self._read_mtime_ns: int | None = None
        self._references: LRUCache[str, Reference] = LRUCache(_MAX_CACHED_REFERENCES)
        disk.remove_leftovers(folder)

    def list(self) -> Sequence[Voice]:
        """See :meth:`VoiceStore.list`."""
        return sorted(self._voices(), key=lambda voice: (name_key(voice.name), voice.id))

    def damaged(self) -> Sequence[DamagedVoice]:
        """See :meth:`VoiceStore.damaged`."""
        found = [voice for voice in self._all() if isinstance(voice, DamagedVoice)]
        return sorted(found, key=lambda voice: voice.id)

    def check_free(self, size: int) -> None:
        """See :meth:`VoiceStore.check_free`."""
        disk.check_free(self._folder, size)

    def get(self, id_or_name: str) -> Voice:
        """See :meth:`VoiceStore.get`."""
        voice = self._find(id_or_name)
        if isinstance(voice, DamagedVoice):
            raise VoiceNotFound(
                f"the stored voice {voice.id!r} is damaged ({voice.error}): remove it, or store it again", param="voice"
            )
        return voice

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
            disk.replace_file(self._folder / voice.id / "voice.json", _json(renamed))
            os.utime(self._folder)  # other processes read the store again when its mtime has changed
        return renamed

    def remove(self, id_or_name: str) -> Voice | DamagedVoice:
        """See :meth:`VoiceStore.remove`."""
        self._find(id_or_name)  # an unknown voice is not found, even where the lock cannot be written
        with self._exclusive():
            voice = self._find(id_or_name)
            self._discard(self._folder / voice.id)
        with self._lock:
            self._references.remove(voice.id)
        return voice

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Lock the folder against changes by other threads and processes."""
        try:
            with disk.storing("voices cannot be stored or changed", self._folder), self._lock_file():
                yield
        finally:
            with self._lock:
                self._read_mtime_ns = None

    @contextmanager
    def _lock_file(self) -> Iterator[None]:
        try:
            lock = self._process_lock.acquire()
        except filelock.Timeout:  # a subclass of OSError
            raise Conflict("another process is changing the voices: retry later", retry_after_s=1) from None
        with lock:
            yield

    def _existing(self, new: Voice) -> Voice | None:
        """Return the voice if it is stored already.

        :raises Conflict: if its name or recording is another voice's.
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
        return None

    def _check_room(self, new: Voice, size: int) -> None:
        """Check the limits; a damaged voice that the new one replaces does not count.

        :raises Conflict: naming the limit.
        """
        others = [voice for voice in self._all() if voice.id != new.id]
        if len(others) >= self._max_voices:
            damaged = sum(isinstance(voice, DamagedVoice) for voice in others)
            note = f", {damaged} of them damaged" if damaged else ""
            raise Conflict(f"the store has {len(others)} voices{note} (limit: {self._max_voices}): remove one first")
        used = disk.used_bytes(self._folder) - disk.used_bytes(self._folder / new.id)
        if used + size > self._max_bytes:
            raise Conflict(
                f"the stored voices have {used} bytes and this one {size} (limit: {self._max_bytes} in all): "
                "remove one first"
            )

    def _find(self, id_or_name: str) -> Voice | DamagedVoice:
        key = name_key(id_or_name)
        for voice in self._all():
            if id_or_name == voice.id or key == name_key(voice.name):
                return voice
        raise VoiceNotFound(f"unknown voice {id_or_name[:80]!r}: must be a stored voice's name or ID", param="voice")

    def _voices(self) -> Sequence[Voice]:
        return [voice for voice in self._all() if isinstance(voice, Voice)]

    def _all(self) -> Sequence[Voice | DamagedVoice]:
        with self._lock:
            self._refresh()
            return [entry.voice for entry in self._entries.values()]

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
            state = path.stat() if path.exists() else folder.lstat()
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
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            return _Entry(signature, DamagedVoice(voice_id, shortened(reason, _MAX_REASON_CHARS)))
        return _Entry(signature, voice)

    def _write(self, voice: Voice, wav: bytes) -> None:
        record, new = _json(voice), disk.temporary(self._folder)
        self._check_room(voice, len(wav) + len(record))
        try:
            new.mkdir()
            disk.write_durably(new / "audio.wav", wav)
            disk.write_durably(new / "voice.json", record)
            disk.sync_folder(new)
            folder = self._folder / voice.id
            if os.path.lexists(folder):  # damaged, or _existing would have returned it
                self._discard(folder)
            new.rename(folder)
        except BaseException:
            with suppress(OSError):
                disk.delete(new)
            raise
        disk.sync_folder(self._folder)

    def _discard(self, folder: Path) -> None:
        """Remove a voice's folder atomically by renaming it, then delete its files."""
        old = disk.temporary(self._folder)
        folder.rename(old)
        disk.sync_folder(self._folder)
        with suppress(OSError):
            disk.delete(old)


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
