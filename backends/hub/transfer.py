"""Brings one file's bytes onto the disk: continues where the last try stopped, and lets nothing wrong through."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backends.hub.cache import disk_errors
from backends.hub.content import RemoteFile, new_hash
from backends.hub.errors import Broken, CacheNotWritable, Lying, Stalled

if TYPE_CHECKING:
    from backends.hub.client import EndpointClient
    from backends.hub.settings import HubSettings

HEADWAY_BYTES = 1 << 20
"""A try that brought this much did not fail in vain: it is followed by another."""

_READ_BYTES = 1 << 20
_MAX_STARTS_OVER = 5
_REPORT_EVERY_S = 0.1


class Transfer:
    """One file on its way to ``partial``; outlives the tries and the endpoints that feed it.

    The file only ever grows: whoever writes the same offset writes the same bytes, so even where locks do not
    work (some network file systems) two processes cannot spoil each other's file.

    :param report: called now and then with the bytes that are here.
    :param rehashed: called now and then with the bytes that an earlier process left and that are hashed.
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
        self._fed_by: set[str] = set()
        self._digest = new_hash(file.etag, file.size_bytes)
        self._starts_over = 0
        self._take_up(rehashed)

    def run(self, client: EndpointClient, repo: str, commit: str) -> None:
        """Get the rest from one endpoint and verify the whole.

        :raises EndpointFailure: what is here stays, unless it is proven wrong.
        :raises CacheError: the disk is at fault; what is here stays.
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
            alone = self._fed_by == {client.url}
            self._start_over()
            if self._starts_over > _MAX_STARTS_OVER:
                raise Lying(f"{complaint}, and all of it was fetched {self._starts_over} times")
            # Where others brought a part, any of them may be to blame: this one may prove itself from zero.
            raise Lying(complaint) if alone else Broken(f"{complaint}; fetching all of it again")

    def _receive(self, chunks: Iterator[bytes], skip_bytes: int, source: str) -> None:
        pace = _Pace(self._settings)
        with disk_errors(self._partial):
            # Unbuffered: what was reported must be there for the next process when this one is killed.
            file = self._partial.open("r+b" if self._partial.exists() else "xb", buffering=0)
        with file:
            with disk_errors(self._partial):
                if file.seek(0, os.SEEK_END) < self.have_bytes:  # someone removed it: do not leave a hole
                    self._start_over()
                    if self._starts_over > _MAX_STARTS_OVER:
                        raise CacheNotWritable(f"{self._partial} is removed again and again while it is written")
                    raise Broken(f"{self._partial} was removed meanwhile")
                file.seek(self.have_bytes)
            for chunk in chunks:
                pace.count(len(chunk))
                self._fed_by.add(source)
                if skip_bytes:
                    fresh = chunk[skip_bytes:]
                    skip_bytes = max(0, skip_bytes - len(chunk))
                else:
                    fresh = chunk
                if self.have_bytes + len(fresh) > self._file.size_bytes:
                    raise Lying(f"it sends more than the {self._file.size_bytes} bytes of {self._file.path}")
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
        if (now_s := time.monotonic()) - self._reported_at_s >= _REPORT_EVERY_S:
            self._reported_at_s = now_s
            report(self.have_bytes)

    def _take_up(self, rehashed: Callable[[int], None]) -> None:
        """Hash what an earlier process left."""
        with disk_errors(self._partial):
            if not self._partial.exists():
                return
            if self._partial.stat().st_size > self._file.size_bytes:
                self._partial.unlink()
                return
            with self._partial.open("rb") as file:
                while chunk := file.read(_READ_BYTES):
                    self._advance(chunk, rehashed)
        self._fed_by.add("an earlier process")

    def _start_over(self) -> None:
        with disk_errors(self._partial):
            self._partial.unlink(missing_ok=True)  # never truncated: another process may be reading it
        self._starts_over += 1
        self.have_bytes = 0
        self._fed_by.clear()
        self._digest = new_hash(self._file.etag, self._file.size_bytes)


class _Pace:
    """Notices a transfer that is alive but too slow to be worth waiting for."""

    def __init__(self, settings: HubSettings):
        self._window_s = settings.stall_timeout_s
        self._least_bytes = settings.min_bytes_per_s * settings.stall_timeout_s
        self._since_s = time.monotonic()
        self._bytes = 0

    def count(self, received_bytes: int) -> None:
        self._bytes += received_bytes
        if (elapsed_s := time.monotonic() - self._since_s) < self._window_s:
            return
        if self._bytes < self._least_bytes:
            raise Stalled(f"it sent only {self._bytes} bytes in {elapsed_s:.0f} s")
        self._since_s, self._bytes = time.monotonic(), 0
