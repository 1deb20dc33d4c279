"""Resumable, verified download of one file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backends.hub.cache import disk_errors
from backends.hub.content import RemoteFile, new_hash
from backends.hub.errors import Broken, CacheNotWritable, IntegrityError, Stalled

if TYPE_CHECKING:
    from backends.hub.client import EndpointClient
    from backends.hub.settings import HubSettings

PROGRESS_BYTES = 1 << 20
"""An attempt that transferred this much made progress and does not count as failed."""

_READ_BYTES = 1 << 20
_MAX_RESTARTS = 5
_REPORT_INTERVAL_S = 0.1


class Transfer:
    """The download of one file to ``partial``, across attempts and endpoints.

    The file is append-only, and every writer writes the same bytes at the same offset. So two processes cannot corrupt
    it even where locks do not work (some network file systems).

    :param report: called at intervals with the number of bytes on disk.
    :param rehashed: called at intervals with the number of hashed bytes that an earlier process left.
    """

    def __init__(
        self,
        partial: Path,
        file: RemoteFile,
        settings: HubSettings,
        report: Callable[[int], None],
        rehashed: Callable[[int], None],
    ):
        self._partial = partial
        self._file = file
        self._settings = settings
        self._report = report
        self._reported_at_s = 0.0
        self.have_bytes = 0
        self._sources: set[str] = set()
        self._digest = new_hash(file.etag, file.size_bytes)
        self._restarts = 0
        self._hash_existing(rehashed)

    def run(self, client: EndpointClient, repo: str, commit: str) -> None:
        """Download the rest from one endpoint and verify the whole file.

        Bytes on disk are kept unless they are proven wrong.

        :raises EndpointFailure: if the endpoint is at fault.
        :raises CacheError: if the local disk is at fault.
        """
        started_at = self.have_bytes
        try:
            if self.have_bytes < self._file.size_bytes:
                with client.open(repo, commit, self._file, self.have_bytes) as body:
                    self._receive(body.chunks, self.have_bytes - body.start, client.url)
            elif not self._partial.exists():  # an empty file needs no request
                with disk_errors(self._partial):
                    self._partial.touch()
            if self.have_bytes < self._file.size_bytes:
                raise Broken(f"the transfer ended at {self.have_bytes} of {self._file.size_bytes} bytes")
        except Broken as error:
            error.moved_bytes = self.have_bytes - started_at
            raise
        self._report(self.have_bytes)
        if (found := self._digest.hexdigest()) != self._file.etag:
            complaint = f"the bytes of {self._file.path} hash to {found}, not {self._file.etag}"
            only_source = self._sources == {client.url}
            self._restart()
            if self._restarts > _MAX_RESTARTS:
                raise IntegrityError(f"{complaint}, after {self._restarts} downloads from the start")
            # If several endpoints sent parts, any of them may be at fault; this one gets another try from zero.
            raise (IntegrityError(complaint) if only_source else Broken(f"{complaint}; downloading it again"))

    def _receive(self, chunks: Iterator[bytes], skip_bytes: int, source: str) -> None:
        monitor = _ThroughputMonitor(self._settings)
        with disk_errors(self._partial):
            # Unbuffered, so that reported bytes survive if this process is killed.
            file = self._partial.open("r+b" if self._partial.exists() else "xb", buffering=0)
        with file:
            with disk_errors(self._partial):
                if file.seek(0, os.SEEK_END) < self.have_bytes:  # removed meanwhile: writing would leave a hole
                    self._restart()
                    if self._restarts > _MAX_RESTARTS:
                        raise CacheNotWritable(f"{self._partial} is removed repeatedly while it is written")
                    raise Broken(f"{self._partial} was removed meanwhile")
                file.seek(self.have_bytes)
            for chunk in chunks:
                monitor.count(len(chunk))
                self._sources.add(source)
                if skip_bytes:
                    fresh = chunk[skip_bytes:]
                    skip_bytes = max(0, skip_bytes - len(chunk))
                else:
                    fresh = chunk
                if self.have_bytes + len(fresh) > self._file.size_bytes:
                    raise IntegrityError(f"it sends more than the {self._file.size_bytes} bytes of {self._file.path}")
                with disk_errors(self._partial):
                    rest = memoryview(fresh)
                    while rest:
                        rest = rest[file.write(rest) :]
                self._advance(fresh, self._report)
            with disk_errors(self._partial):
                os.fsync(file.fileno())

    def _advance(self, chunk: bytes, report: Callable[[int], None]) -> None:
        self._digest.update(chunk)
        self.have_bytes += len(chunk)
        if (now_s := time.monotonic()) - self._reported_at_s >= _REPORT_INTERVAL_S:
            self._reported_at_s = now_s
            report(self.have_bytes)

    def _hash_existing(self, rehashed: Callable[[int], None]) -> None:
        """Hash the bytes that an earlier process left."""
        with disk_errors(self._partial):
            if not self._partial.exists():
                return
            if self._partial.stat().st_size > self._file.size_bytes:
                self._partial.unlink()
                return
            with self._partial.open("rb") as file:
                while chunk := file.read(_READ_BYTES):
                    self._advance(chunk, rehashed)
        self._sources.add("an earlier process")

    def _restart(self) -> None:
        with disk_errors(self._partial):
            self._partial.unlink(missing_ok=True)  # not truncated: another process may be reading it
        self._restarts += 1
        self.have_bytes = 0
        self._sources.clear()
        self._digest = new_hash(self._file.etag, self._file.size_bytes)


class _ThroughputMonitor:
    """Raises ``Stalled`` for a transfer below the minimum throughput."""

    def __init__(self, settings: HubSettings):
        self._window_s = settings.stall_timeout_s
        self._min_bytes = settings.min_bytes_per_s * settings.stall_timeout_s
        self._since_s = time.monotonic()
        self._bytes = 0

    def count(self, received_bytes: int) -> None:
        self._bytes += received_bytes
        if (elapsed_s := time.monotonic() - self._since_s) < self._window_s:
            return
        if self._bytes < self._min_bytes:
            raise Stalled(f"it sent only {self._bytes} bytes in {elapsed_s:.0f} s")
        self._since_s, self._bytes = time.monotonic(), 0
