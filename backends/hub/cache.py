"""One repository's part of the cache, laid out as huggingface_hub lays it out and shared with it.

    models--owner--repo/
        refs/main                          the commit that "main" was when last fetched
        snapshots/<commit>/<path>          symlink to ../../blobs/<etag>
        blobs/<etag>                       verified content, named by its hash
        blobs/<etag>.voxgate-incomplete    what a broken transfer left, to be continued
        trees/<commit>.json                what the repository contains at that commit
    .locks/models--owner--repo/<etag>.lock

``hf cache prune`` deletes ``blobs/*.incomplete``; the suffix of ours is chosen not to match.

The layout is spelled out here, and tested against huggingface_hub, rather than asked of it: importing that takes
a third of a second, freezes HF_ENDPOINT, and fails when HF_ENDPOINT is a list with a port in it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from inspect import signature
from pathlib import Path
from typing import Any

from backends.hub.content import GIT_SHA1, RemoteFile, contradiction, is_sound
from backends.hub.errors import CacheError, CacheNotWritable, DiskFull, LockTimeout

PARTIAL_SUFFIX = ".voxgate-incomplete"
_FOLDER_PREFIX = "models--"
_LISTING_FORMAT = 1  # huggingface_hub's; another number is someone else's format and is left alone
_LOCK_POLL_S = 0.5
_NO_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP})
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

_log = logging.getLogger(__name__)


class RepoCache:
    """One model repository in the cache. Reading creates nothing.

    :param cache_dir: the cache all repositories share.
    :param repo: ``owner/name``.
    """

    def __init__(self, cache_dir: Path, repo: str):
        self.repo = repo
        folder = _FOLDER_PREFIX + repo.replace("/", "--")
        self.root = cache_dir / folder
        self._locks = cache_dir / ".locks" / folder

    def commit_of(self, revision: str) -> str | None:
        """The commit a revision stood for when it was last fetched."""
        if GIT_SHA1.fullmatch(revision):
            return revision
        try:
            commit = (self.root / "refs" / revision).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return commit if GIT_SHA1.fullmatch(commit) else None

    def record(self, revision: str, commit: str) -> None:
        """Note what a revision stands for. A cache that cannot be written loses only that note."""
        if revision == commit or self.commit_of(revision) == commit:
            return
        ref = self.root / "refs" / revision
        try:
            ref.parent.mkdir(parents=True, exist_ok=True)
            _write_atomically(ref, commit)
        except OSError as error:
            _log.info("cannot record that %s of %s is %s: %s", revision, self.repo, commit, error)

    def snapshot(self, commit: str) -> Path:
        """The folder that shows the repository at a commit."""
        return self.root / "snapshots" / commit

    def find(self, commit: str, path: str) -> Path | None:
        """A file of a snapshot, whoever fetched it."""
        found = self.snapshot(commit) / path
        try:
            return found if found.is_file() else None
        except OSError:  # a name too long for this file system, a folder that may not be entered
            return None

    def in_use(self, commit: str) -> bool:
        """Whether any file of the repository is here at that commit."""
        return any(names for _, _, names in os.walk(self.snapshot(commit)))

    def blob(self, etag: str) -> Path:
        """Where content of that hash belongs."""
        return self.root / "blobs" / etag

    def partial(self, etag: str) -> Path:
        """Where content of that hash grows."""
        return self.root / "blobs" / (etag + PARTIAL_SUFFIX)

    def listing(self, commit: str) -> list[RemoteFile] | None:
        """What the repository contains at a commit, if anyone ever listed it."""
        try:
            document = json.loads(self._listing_file(commit).read_bytes())
            if document.get("format_version") != _LISTING_FORMAT:
                return None
            files = [
                RemoteFile(path, entry["size"], entry["blob_id"], entry.get("lfs_sha256"), entry.get("xet_hash"))
                for path, entry in document["files"].items()
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None  # missing, or damaged: it will be asked for again
        # Whoever may write to the cache may have written this: one entry that leads out of it discredits the rest.
        if not all(map(is_sound, files)) or contradiction([file.path for file in files]):
            _log.warning("%s is not believed: it has entries that make no sense", self._listing_file(commit))
            return None
        return files

    def keep_listing(self, commit: str, files: Iterable[RemoteFile]) -> None:
        """Remember what the repository contains at a commit, which never changes. Loses only time when it cannot."""
        entries = {}
        for file in sorted(files, key=lambda file: file.path):
            entry: dict[str, object] = {"size": file.size_bytes, "blob_id": file.blob_id}
            if file.sha256:
                entry |= {"lfs_sha256": file.sha256, "lfs_size": file.size_bytes}
            if file.xet_hash:
                entry["xet_hash"] = file.xet_hash
            entries[file.path] = entry
        target = self._listing_file(commit)
        try:
            self.snapshot(commit).mkdir(parents=True, exist_ok=True)  # first, see prepare
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_atomically(target, json.dumps({"format_version": _LISTING_FORMAT, "files": entries}, indent=1))
        except OSError as error:
            _log.info("cannot keep the listing of %s: %s", self.repo, error)

    def forget_listing(self, commit: str) -> None:
        """Have the listing asked for again next time."""
        with suppress(OSError):
            self._listing_file(commit).unlink(missing_ok=True)

    def _listing_file(self, commit: str) -> Path:
        return self.root / "trees" / f"{commit}.json"

    def prepare(self, commit: str) -> None:
        """Make the folders a fetch writes to.

        The snapshot comes first: a repository folder without one looks damaged to ``hf cache``.
        """
        with disk_errors(self.root):
            for folder in (self.snapshot(commit), self.root / "blobs", self._locks):
                folder.mkdir(parents=True, exist_ok=True)

    def require_room(self, needed_bytes: int) -> None:
        """Refuse to start what cannot end.

        :raises DiskFull: the file system has less room than that.
        """
        with disk_errors(self.root):
            free_bytes = shutil.disk_usage(self.root / "blobs").free
        if free_bytes < needed_bytes:
            raise DiskFull(
                f"{self.repo} needs {_megabytes(needed_bytes)} more, but {self.root} has room for"
                f" {_megabytes(free_bytes)}; free some, or point HF_HUB_CACHE to another disk"
            )

    @contextmanager
    def lock(self, etag: str, timeout_s: float, waiting: Callable[[int], None]) -> Iterator[None]:
        """Hold the lock that every process fetching this content takes, huggingface_hub's included.

        The operating system lets go of it when its holder dies, however that happens.

        :param timeout_s: how long to wait while the holder's file does not grow.
        :param waiting: called now and then with the bytes the holder has.
        :raises LockTimeout: naming the lock file.
        """
        from filelock import FileLock, Timeout

        path = self._locks / f"{etag}.lock"
        # Where the file system has no locks, newer versions would take the lock file's existence for one: that stays
        # when its holder dies, and is no lock to those who lock for real.
        options: dict[str, Any] = (
            {"fallback_to_soft": False} if "fallback_to_soft" in signature(FileLock).parameters else {}
        )
        lock = FileLock(path, mode=0o664, **options)  # group-writable, as huggingface_hub makes it
        held_bytes, grew_at_s = -1, time.monotonic()
        while True:
            try:
                lock.acquire(timeout=_LOCK_POLL_S)
                break
            except Timeout:  # before OSError, which it is one of
                if (size_bytes := self._incoming_bytes(etag)) != held_bytes:
                    held_bytes, grew_at_s = size_bytes, time.monotonic()
                elif time.monotonic() - grew_at_s > timeout_s:
                    raise LockTimeout(
                        f"another process has held {path} for {timeout_s:g} s and fetched nothing meanwhile;"
                        " end that process, and the lock goes with it",
                        path,
                    ) from None
                waiting(size_bytes)
            except OSError as error:
                if error.errno in _NO_LOCKS:
                    raise CacheNotWritable(
                        f"the file system of {path} has no locks; point HF_HUB_CACHE to one that does"
                    ) from error
                raise disk_error(error, path) from error
        try:
            yield
        finally:
            lock.release()

    def _incoming_bytes(self, etag: str) -> int:
        total_bytes = 0
        for part in (self.root / "blobs").glob(f"{etag}*incomplete"):  # ours, or huggingface_hub's
            with suppress(OSError):
                total_bytes += part.stat().st_size
        return total_bytes

    def publish(self, etag: str) -> None:
        """Turn a complete, verified partial into the blob, atomically."""
        with disk_errors(self.blob(etag)):
            try:
                os.replace(self.partial(etag), self.blob(etag))
            except FileNotFoundError:
                # Where locks do not work, another process may have been first with the same bytes.
                if not self.blob(etag).exists():
                    raise

    def link(self, commit: str, file: RemoteFile) -> None:
        """Make a blob visible under its name."""
        pointer = self.snapshot(commit) / file.path
        blob = self.blob(file.etag)
        with disk_errors(pointer):
            if pointer.exists() and pointer.samefile(blob):
                return
            pointer.parent.mkdir(parents=True, exist_ok=True)
            # Made elsewhere and renamed, so that nobody ever finds the name missing or half made.
            draft = blob.with_name(f".{uuid.uuid4().hex}.tmp")
            moved = False
            try:
                os.symlink(os.path.relpath(blob, pointer.parent), draft)
            except OSError:  # a file system without symlinks
                try:
                    os.link(blob, draft)
                except OSError:  # nor hard links: the name gets the only copy, as huggingface_hub does it
                    os.rename(blob, draft)
                    moved = True
            try:
                os.replace(draft, pointer)
            except OSError:
                with suppress(OSError):  # the first error says more
                    if moved:
                        os.rename(draft, blob)
                    else:
                        draft.unlink()
                raise


def cached_snapshots(cache_dir: Path) -> Iterator[tuple[RepoCache, str]]:
    """Every model repository in the cache with each commit of it that is there."""
    for root in sorted(cache_dir.glob(f"{_FOLDER_PREFIX}*--*")):
        cache = RepoCache(cache_dir, root.name.removeprefix(_FOLDER_PREFIX).replace("--", "/", 1))
        for snapshot in sorted((root / "snapshots").glob("*")):
            if snapshot.is_dir() and GIT_SHA1.fullmatch(snapshot.name):
                yield cache, snapshot.name


def _write_atomically(target: Path, text: str) -> None:
    draft = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Translate what the operating system says about ``path`` into :class:`CacheError`."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: Path) -> CacheError:
    """Name the kind of trouble an ``OSError`` is."""
    where = error.filename or path
    if error.errno in _NO_ROOM:
        return DiskFull(
            f"no room left at {where} ({error.strerror}); what was fetched is kept and continued once there is room"
        )
    if error.errno == errno.EFBIG:
        return DiskFull(f"the file system or a limit does not allow a file this large at {where}")
    return CacheNotWritable(
        f"the cache cannot be written at {where} ({error.strerror or error}); point HF_HUB_CACHE to a folder that can"
    )
