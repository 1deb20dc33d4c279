"""Download of one file: resumed across processes and endpoints, and verified."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backends.hub.cache import RemoteFile, disk_errors, size_of
from backends.hub.errors import EndpointFailure, WrongBytes

if TYPE_CHECKING:
    from backends.hub.remote import Remote
    from backends.hub.settings import HubSettings

_MAX_RESTARTS = 5
_REPORT_INTERVAL_S = 0.1


class Download:
    """The download of one file to ``partial``, across attempts and endpoints.

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
        self._restarts = 0
        self._start()
        with disk_errors(partial):
            if size_of(partial) > file.size_bytes:
                partial.unlink()
            if partial.exists():
                self._digest, self._received_bytes = file.new_hash(), size_of(partial)
                self._sources.add("an earlier process")
                file.hash_of(partial, rehashed, self._digest)

    def run(self, remote: Remote, repo: str, commit: str) -> None:
        """Download the rest from one endpoint and verify the whole file. Bytes are kept unless they are proven wrong.

        :raises EndpointFailure: if the endpoint is at fault.
        :raises CacheError: if the local disk is at fault.
        """
        before_bytes = self._received_bytes
        try:
            with disk_errors(self._partial):
                target = self._partial.open("ab", buffering=0)  # reported bytes survive if this process is killed
            with target:
                if target.tell() != self._received_bytes:
                    self._restart(EndpointFailure(f"{self._partial} was changed meanwhile"))
                if self._received_bytes < self._file.size_bytes:
                    with remote.open(repo, commit, self._file.path, self._received_bytes) as (start, chunks):
                        self._sources.add(remote.url)
                        self._receive(chunks, self._received_bytes - start, target.write)
                with disk_errors(self._partial):
                    os.fsync(target.fileno())
        except EndpointFailure as error:
            error.received_bytes = max(0, self._received_bytes - before_bytes)
            raise
        self._report(self._received_bytes)
        if (found := self._digest.hexdigest()) != self._file.etag:
            complaint = f"the bytes of {self._file.path} hash to {found}, not {self._file.etag}"
            # If several endpoints sent parts, any of them may be at fault; this one gets another try from zero.
            at_fault = self._sources == {remote.url} or self._restarts == _MAX_RESTARTS
            self._restart(WrongBytes(complaint) if at_fault else EndpointFailure(f"{complaint}; downloading it again"))

    def _receive(self, chunks: Iterator[bytes], known_bytes: int, write: Callable[[memoryview], int]) -> None:
        """Append what arrives.

        :param known_bytes: how many of the first bytes are on disk already.
        """
        since_s, since_bytes = time.monotonic(), self._received_bytes
        for chunk in chunks:
            fresh = memoryview(chunk)[known_bytes:]
            known_bytes = max(0, known_bytes - len(chunk))
            if self._received_bytes + len(fresh) > self._file.size_bytes:
                raise WrongBytes(f"it sends more than the {self._file.size_bytes} bytes of {self._file.path}")
            self._digest.update(fresh)
            self._received_bytes += len(fresh)
            with disk_errors(self._partial):
                while fresh:
                    fresh = fresh[write(fresh) :]
            now_s = time.monotonic()
            if now_s - self._reported_at_s >= _REPORT_INTERVAL_S:
                self._reported_at_s = now_s
                self._report(self._received_bytes)
            if (elapsed_s := now_s - since_s) >= self._settings.stall_timeout_s:
                if self._received_bytes - since_bytes < self._settings.min_bytes_per_s * elapsed_s:
                    raise EndpointFailure(
                        f"it sent only {self._received_bytes - since_bytes} bytes in {elapsed_s:.0f} s"
                    )
                since_s, since_bytes = now_s, self._received_bytes
        if self._received_bytes < self._file.size_bytes:
            raise EndpointFailure(f"the transfer ended at {self._received_bytes} of {self._file.size_bytes} bytes")

    def _start(self) -> None:
        self._received_bytes = 0
        self._sources: set[str] = set()
        self._digest = self._file.new_hash()

    def _restart(self, reason: EndpointFailure) -> None:
        """Drop all bytes and raise the reason."""
        with disk_errors(self._partial):
            self._partial.unlink(missing_ok=True)  # not truncated: another process may be reading it
        self._restarts += 1
        self._start()
        raise reason
