"""Store of pronunciation dictionaries in a folder, which several gateway processes may share.

Each dictionary is a file ``<name>.json``. It is written under a temporary name and then renamed, so that readers see
the old one or the new one. Files may also be edited by hand: a changed one is read again at its next use.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from gateway import disk
from gateway.errors import Conflict, InvalidRequest, LexiconNotFound
from gateway.settings import LEXICON_NAME
from gateway.text.lexicon import Lexicon
from gateway.text.lexicons.document import LexiconDocument, LexiconSummary

_log = logging.getLogger(__name__)

MAX_SELECTED = 10  # by one request; each combination needs an index of its own
_SUFFIX = ".json"
_MAX_FILE_BYTES = 16 * 2**20  # 5,000 words and respellings of 200 characters, with room for JSON escapes


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as last read: the dictionary, or the reason why it cannot be used."""

    signature: tuple[int, int, int]
    found: Lexicon | str


class LexiconStore:
    """Pronunciation dictionaries in a folder. Methods may block on I/O, and are thread-safe.

    The folder is created with the first dictionary. A damaged file is logged, and only its own dictionary is missing.

    :ivar default: names of the dictionaries of requests that do not select any.
    :raises OSError: if the folder cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        default: Sequence[str] = (),
        max_lexicons: int = 100,
        max_entries: int = 5000,
        max_bytes: int = 2**40,
    ):
        self._folder = folder
        self.default = tuple(default)
        self._max_lexicons = max_lexicons
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._writing = threading.Lock()  # or puts at the same time could exceed the limits
        self._entries: dict[str, _Entry] = {}
        self._missing: set[str] = set()  # default dictionaries that were reported
        self.names()
        disk.remove_leftovers(folder)

    def log_problems(self) -> None:
        """Log damaged files and missing default dictionaries, which are otherwise logged when they are used."""
        self.summaries()
        self.select(None)

    def names(self) -> list[str]:
        """Return the names of all dictionaries, sorted, including damaged ones."""
        try:
            files = os.listdir(self._folder)
        except (FileNotFoundError, PermissionError):  # the gateway starts without a readable data_dir
            return []
        names = (file.removesuffix(_SUFFIX) for file in files if file.endswith(_SUFFIX))
        return sorted(name for name in names if LEXICON_NAME.fullmatch(name))

    def summaries(self) -> list[LexiconSummary]:
        """Return all dictionaries without their entries, by name, including damaged ones."""
        found = []
        for name in self.names():
            summary = LexiconSummary(name=name, default=name in self.default)
            try:
                lexicon = self.get(name)
            except LexiconNotFound as error:
                summary.error = error.message
            else:
                summary.language, summary.voices = lexicon.language, list(lexicon.voices)
                summary.size = len(lexicon.entries)
            found.append(summary)
        return found

    def get(self, name: str) -> Lexicon:
        """Return a dictionary: the same object until its file changes.

        :raises LexiconNotFound: if it does not exist, or its file is damaged.
        """
        found = self._read(name) if LEXICON_NAME.fullmatch(name) else None
        if found is None:
            known = ", ".join(self.names()) or "none"
            raise LexiconNotFound(f"unknown lexicon {name[:80]!r}; stored ones: {known}", param="name")
        if isinstance(found, str):
            raise LexiconNotFound(f"the file of the lexicon {name!r} is damaged: {found}; store it again", param="name")
        return found

    def select(self, names: Sequence[str] | None) -> list[Lexicon]:
        """Return a request's dictionaries in its order.

        :param names: None: the default ones. Those that are missing are skipped and logged once.
        :raises LexiconNotFound: if one does not exist, or its file is damaged.
        :raises InvalidRequest: if there are too many.
        """
        if names is None:
            return [found for name in self.default if (found := self._default_lexicon(name))]
        if len(names) > MAX_SELECTED:
            raise InvalidRequest(f"{len(names)} lexicons: the limit is {MAX_SELECTED}", param="lexicons")
        try:
            return [self.get(name) for name in dict.fromkeys(names)]
        except LexiconNotFound as error:
            raise LexiconNotFound(error.message, param="lexicons") from None

    def check_free(self, size: int) -> None:
        """Check that the disk has room for an upload of ``size`` bytes.

        :raises InsufficientStorage: if it has not, or cannot be written.
        """
        disk.check_free(self._folder, size)

    def put(self, name: str, document: LexiconDocument) -> tuple[Lexicon, bool]:
        """Store or replace a dictionary.

        :returns: the dictionary, and whether it is new.
        :raises InvalidRequest: if the name is invalid, or there are too many or too long entries.
        :raises Conflict: if a limit of the store is reached. Damaged files count.
        :raises InsufficientStorage: if the disk is full or cannot be written.
        """
        if not LEXICON_NAME.fullmatch(name):
            raise InvalidRequest(f"invalid lexicon name {name!r}: must match {LEXICON_NAME.pattern}", param="name")
        if (count := len(document.entries)) > self._max_entries:
            raise InvalidRequest(f"{count} entries: the limit is {self._max_entries}", param="entries")
        data = document.model_dump_json(indent=2).encode()
        if len(data) > _MAX_FILE_BYTES:
            raise InvalidRequest(
                f"the dictionary has {len(data)} bytes: the limit is {_MAX_FILE_BYTES}; split it", param="entries"
            )
        with self._writing, disk.storing(f"the lexicon {name!r} cannot be stored", self._folder):
            created = self._check_room(name, len(data))
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._path(name).is_dir():  # damaged
                disk.delete(self._path(name))
            disk.replace_file(self._path(name), data)
        return self.get(name), created

    def remove(self, name: str) -> None:
        """Remove a dictionary, which may be damaged.

        :raises LexiconNotFound: if it does not exist.
        :raises InsufficientStorage: if the disk cannot be written.
        """
        if name not in self.names():
            self.get(name)
        with disk.storing(f"the lexicon {name!r} cannot be removed", self._folder):
            disk.delete(self._path(name))

    def _check_room(self, name: str, size: int) -> bool:
        """Return whether a dictionary is new.

        :raises Conflict: naming the limit that it would exceed.
        """
        names = self.names()
        is_new = name not in names
        if is_new and len(names) >= self._max_lexicons:
            raise Conflict(f"the store has {len(names)} lexicons (limit: {self._max_lexicons}): remove one first")
        path = self._path(name)
        used = disk.used_bytes(self._folder) - (os.lstat(path).st_size if not is_new else 0)
        if used + size > self._max_bytes:
            raise Conflict(
                f"the stored lexicons have {used} bytes and this one {size} (limit: {self._max_bytes} in all): "
                "remove one first"
            )
        return is_new

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"

    def _default_lexicon(self, name: str) -> Lexicon | None:
        try:
            found = self.get(name)
        except LexiconNotFound as error:
            if name not in self._missing:
                self._missing.add(name)
                _log.warning("lexicons.default: %s", error.message)
            return None
        self._missing.discard(name)
        return found

    def _read(self, name: str) -> Lexicon | str | None:
        """Return a dictionary, a description of the damage to its file, or None if there is no file."""
        try:
            state = os.stat(self._path(name))
            signature = (state.st_ino, state.st_ctime_ns, state.st_size)
            known = self._entries.get(name)
            if known is None or known.signature != signature:
                known = self._entries[name] = _Entry(signature, self._load(name))
        except (FileNotFoundError, NotADirectoryError):
            self._entries.pop(name, None)
            return None
        return known.found

    def _load(self, name: str) -> Lexicon | str:
        try:
            with self._path(name).open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
            if len(data) > _MAX_FILE_BYTES:
                raise ValueError(f"it is larger than {_MAX_FILE_BYTES} bytes")
            document = LexiconDocument.model_validate_json(data)
            if len(document.entries) > self._max_entries:
                raise ValueError(f"it has {len(document.entries)} entries, and the limit is {self._max_entries}")
        except FileNotFoundError:
            raise
        except (OSError, ValueError) as error:
            reason = _reason(error)
            _log.warning("lexicon %s is damaged and ignored: %s", self._path(name), reason)
            return reason
        return Lexicon(name, document.language, tuple(document.voices), document.entries)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {first['msg']}" if where else first["msg"]
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
