"""State of the fake hub: repositories, faults, and recorded requests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEAD = "http://127.0.0.1:9"
"""A URL without a server."""

LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".onnx")


@dataclass
class Faults:
    """Active faults; may change at any time. "Body" means the body of a file."""

    cut_after: list[int] = field(default_factory=list)
    """Each number cuts off one body after that many bytes: the next body that is longer. Consumed from the front."""
    cut_every: int = 0
    """Cut off every body after that many bytes."""
    hang: str = ""
    """``answer``: accept connections and stay silent. ``header``: send a header, one byte every 0.3 s.
    ``body``: stay silent after ``hang_after`` bytes."""
    hang_after: int = 0
    throttle_bytes_s: int = 0
    corrupt: bool = False
    """Flip a bit in the middle of every body; sizes stay right."""
    announce: int = 0
    """Added to the ``Content-Length``."""
    no_length: bool = False
    """Send no ``Content-Length``; the body ends with the connection."""
    ignore_range: bool = False
    status: int = 0
    """Respond to everything with this status."""
    file_status: int = 0
    """Respond to requests for files with this status."""
    redirect_to: str = ""
    """Respond to everything with a 308 to that host."""
    storage_url: str = ""
    """Redirect large files there."""
    next_link_host: str = ""
    """Host of the links to a listing's next page."""
    etag: str = ""
    """``ETag`` of every file."""
    xet: bool = False
    """Offer large files also by the xet protocol, at a dead host."""


class Content:
    """One file's bytes, in memory or on disk, and their hashes."""

    def __init__(self, source: bytes | Path, lfs: bool):
        self.source = source
        self.lfs = lfs
        self.size = len(source) if isinstance(source, bytes) else source.stat().st_size
        sha256, sha1 = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % self.size)
        for start in range(0, self.size, 1 << 20):
            sha256.update(chunk := self.read(start, start + (1 << 20)))
            sha1.update(chunk)
        self.sha256, self.git_sha1 = sha256.hexdigest(), sha1.hexdigest()
        self.etag = self.sha256 if lfs else self.git_sha1

    def read(self, start: int, stop: int) -> bytes:
        if isinstance(self.source, bytes):
            return self.source[start:stop]
        with self.source.open("rb") as file:
            file.seek(start)
            return file.read(max(0, min(stop, self.size) - start))


@dataclass
class Repo:
    commits: dict[str, dict[str, Content]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False


@dataclass
class Seen:
    """One received request."""

    server: str
    method: str
    path: str
    headers: Mapping[str, str]
    sent_bytes: int = 0

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")

    @property
    def for_file(self) -> bool:
        return self.method == "GET" and ("/resolve/" in self.path or self.server == "storage")
