"""The cache folder of one repository, in the layout of huggingface_hub and shared with it.

    models--owner--repo/
        refs/main                          commit of "main" at the last fetch
        snapshots/<commit>/<path>          symlink to ../../blobs/<etag>
        blobs/<etag>                       verified content, named by its hash
        blobs/<etag>.voxgate-incomplete    partial download, to be resumed
        trees/<commit>.json                listing of the repository at that commit
    .locks/models--owner--repo/<etag>.lock

``hf cache prune`` deletes ``blobs/*.incomplete``; our suffix does not match that pattern.

The layout is implemented here and tested against huggingface_hub. Importing huggingface_hub would take a third of a
second, freeze HF_ENDPOINT, and fail if HF_ENDPOINT is a list with a port in it.
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

from backends.hub.content import GIT_SHA1, RemoteFile, is_valid_entry, path_conflict
from backends.hub.errors import CacheError, CacheNotWritable, DiskFull, LockTimeout

PARTIAL_SUFFIX = ".voxgate-incomplete"
_FOLDER_PREFIX = "models--"
_LISTING_FORMAT = 1  # huggingface_hub's; other versions are ignored
_LOCK_POLL_S = 0.5
_NO_LOCKS_ERRNOS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP})
_DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})

_log = logging.getLogger(__name__)


class RepoCache:
    """One model repository in the cache. Reading creates no files.

    :param cache_dir: the cache all repositories share.
    :param repo: ``owner/name``.
    """

    def __init__(self, cache_dir: Path, repo: str):
        self.repo = repo
        folder = _FOLDER_PREFIX + repo.replace("/", "--")
        self.root = cache_dir / folder
        self._locks = cache_dir / ".locks" / folder

    def commit_of(self, revision: str) -> str | None:
        """The commit of a revision at its last fetch."""
        if GIT_SHA1.fullmatch(revision):
            return revision
        try:
            commit = (self.root / "refs" / revision).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return commit if GIT_SHA1.fullmatch(commit) else None

    def record(self, revision: str, commit: str) -> None:
        """Record the commit of a revision. Skipped if the cache is not writable."""
        if revision == commit or self.commit_of(revision) == commit:
            return
        ref = self.root / "refs" / revision
        try:
            ref.parent.mkdir(parents=True, exist_ok=True)
            _write_atomically(ref, commit)
        except OSError as error:
            _log.info("cannot record that %s of %s is %s: %s", revision, self.repo, commit, error)

    def snapshot(self, commit: str) -> Path:
        """The folder with the repository's files at a commit."""
        return self.root / "snapshots" / commit

    def find(self, commit: str, path: str) -> Path | None:
        """A file of a snapshot, from any tool; None if it is missing."""
        found = self.snapshot(commit) / path
        try:
            return found if found.is_file() else None
        except OSError:  # a name too long for the file system, or a folder without permission
            return None

    def has_files(self, commit: str) -> bool:
        """Whether the cache has any file of the repository at that commit."""
        return any(names for _, _, names in os.walk(self.snapshot(commit)))

    def blob(self, etag: str) -> Path:
        """The path of content with that hash."""
        return self.root / "blobs" / etag

    def partial(self, etag: str) -> Path:
        """The path of a partial download of content with that hash."""
        return self.root / "blobs" / (etag + PARTIAL_SUFFIX)

    def listing(self, commit: str) -> list[RemoteFile] | None:
        """The cached listing of the repository at a commit; None if it is missing or invalid."""
        try:
            document = json.loads(self._listing_file(commit).read_bytes())
            if document.get("format_version") != _LISTING_FORMAT:
                return None
            files = [
                RemoteFile(path, entry["size"], entry["blob_id"], entry.get("lfs_sha256"), entry.get("xet_hash"))
                for path, entry in document["files"].items()
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None  # missing or damaged: it will be requested again
        # Other programs write to the cache, too. An entry whose path leaves it discredits the whole file.
        if not all(map(is_valid_entry, files)) or path_conflict([file.path for file in files]):
            _log.warning("%s is ignored: it has invalid entries", self._listing_file(commit))
            return None
        return files

    def save_listing(self, commit: str, files: Iterable[RemoteFile]) -> None:
        """Cache a commit's listing, which never changes. Skipped if the cache is not writable."""
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
            _log.info("cannot cache the listing of %s: %s", self.repo, error)

    def delete_listing(self, commit: str) -> None:
        """Delete a cached listing, so that it is requested again."""
        with suppress(OSError):
            self._listing_file(commit).unlink(missing_ok=True)

    def _listing_file(self, commit: str) -> Path:
        return self.root / "trees" / f"{commit}.json"

    def prepare(self, commit: str) -> None:
        """Create the folders that a fetch writes to.

        The snapshot folder comes first: ``hf cache`` reports a repository without one as damaged.
        """
        with disk_errors(self.root):
            for folder in (self.snapshot(commit), self.root / "blobs", self._locks):
                folder.mkdir(parents=True, exist_ok=True)

    def require_free_space(self, needed_bytes: int) -> None:
        """Check the free disk space before a download.

        :raises DiskFull: if there are fewer than ``needed_bytes``.
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
        """Hold the lock of a content hash, which huggingface_hub takes, too.

        The operating system releases it when the process ends, even after ``kill -9``.

        :param timeout_s: how long to wait while the holder's partial file does not grow.
        :param waiting: called at intervals with the size of the holder's partial file.
        :raises LockTimeout: naming the lock file.
        """
        from filelock import FileLock, Timeout

        path = self._locks / f"{etag}.lock"
        # On a file system without locks, newer versions of filelock treat the file's existence as the lock. It would
        # outlive a killed holder, and programs that use real locks would not see it.
        options: dict[str, Any] = (
            {"fallback_to_soft": False} if "fallback_to_soft" in signature(FileLock).parameters else {}
        )
        lock = FileLock(path, mode=0o664, **options)  # group-writable, as in huggingface_hub
        held_bytes, grew_at_s = -1, time.monotonic()
        while True:
            try:
                lock.acquire(timeout=_LOCK_POLL_S)
                break
            except Timeout:  # a subclass of OSError, so it comes first
                if (size_bytes := self._incoming_bytes(etag)) != held_bytes:
                    held_bytes, grew_at_s = size_bytes, time.monotonic()
                elif time.monotonic() - grew_at_s > timeout_s:
                    raise LockTimeout(
                        f"another process has held {path} for {timeout_s:g} s and fetched nothing meanwhile;"
                        " end that process to release the lock",
                        path,
                    ) from None
                waiting(size_bytes)
            except OSError as error:
                if error.errno in _NO_LOCKS_ERRNOS:
                    raise CacheNotWritable(
                        f"the file system of {path} has no locks; point HF_HUB_CACHE to one that supports them"
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
        """Rename a complete, verified partial file to the blob, atomically."""
        with disk_errors(self.blob(etag)):
            try:
                os.replace(self.partial(etag), self.blob(etag))
            except FileNotFoundError:
                # Without working locks, another process may have published the same bytes first.
                if not self.blob(etag).exists():
                    raise

    def link(self, commit: str, file: RemoteFile) -> None:
        """Link a blob to its path in the snapshot."""
        pointer = self.snapshot(commit) / file.path
        blob = self.blob(file.etag)
        with disk_errors(pointer):
            if pointer.exists() and pointer.samefile(blob):
                return
            pointer.parent.mkdir(parents=True, exist_ok=True)
            # Created under another name and renamed, so that readers never see the path missing or incomplete.
            draft = blob.with_name(f".{uuid.uuid4().hex}.tmp")
            moved = False
            try:
                os.symlink(os.path.relpath(blob, pointer.parent), draft)
            except OSError:  # a file system without symlinks
                try:
                    os.link(blob, draft)
                except OSError:  # nor hard links: move the only copy, as huggingface_hub does
                    os.rename(blob, draft)
                    moved = True
            try:
                os.replace(draft, pointer)
            except OSError:
                with suppress(OSError):  # the first error matters more
                    if moved:
                        os.rename(draft, blob)
                    else:
                        draft.unlink()
                raise


def cached_snapshots(cache_dir: Path) -> Iterator[tuple[RepoCache, str]]:
    """Every model repository in the cache with each of its cached commits."""
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
    """Translate an ``OSError`` about ``path`` into a :class:`CacheError`."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def disk_error(error: OSError, path: Path) -> CacheError:
    """The :class:`CacheError` for an ``OSError``."""
    where = error.filename or path
    if error.errno in _DISK_FULL_ERRNOS:
        return DiskFull(
            f"no room left at {where} ({error.strerror}); the partial download is kept and continued once there is room"
        )
    if error.errno == errno.EFBIG:
        return DiskFull(f"the file system or a limit does not allow a file this large at {where}")
    return CacheNotWritable(
        f"the cache cannot be written at {where} ({error.strerror or error}); point HF_HUB_CACHE to a writable folder"
    )
