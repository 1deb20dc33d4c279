"""Errors of fetching checkpoints.

HubError (a backends.errors.LoadError)
├── MalformedReference      invalid reference syntax
├── BadHubSettings          an invalid endpoint, token, proxy or number in the settings
├── LocalFileMissing        a local path, or a file of an installed package, does not exist
├── MissingOffline          offline, and the cache is incomplete: lists the missing files
├── NotFound                every endpoint says so
│   ├── RepositoryNotFound
│   ├── RevisionNotFound
│   └── EntryNotFound       no such file or folder at that revision
├── AccessDenied            the repository exists, but access is refused
│   ├── GatedRepository     its license must be accepted first
│   └── TokenRejected       the endpoint rejects the token
├── EndpointsFailed         no endpoint delivered: lists each with its reason
├── CacheError              a fault of the local disk; other endpoints cannot help
│   ├── DiskFull
│   ├── CacheNotWritable
│   └── LockTimeout         another process holds a file's lock and makes no progress
└── EndpointFailure         a fault of one endpoint; raised only inside ``EndpointsFailed.failures``
    ├── Unreachable         no connection, no TLS, no response
    ├── Stalled             connected, but silent or slower than the settings allow
    ├── Broken              the connection broke or the server is busy: worth a retry
    ├── Refused             an HTTP status that a retry will not change
    └── IntegrityError      the response is not the file, or not a hub's response
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backends.errors import LoadError


class HubError(LoadError):
    """Root of all errors that ``backends.hub`` raises on purpose."""


class MalformedReference(HubError):
    """Invalid reference syntax; the message shows the valid forms."""


class BadHubSettings(HubError):
    """Invalid setting; the message names the variable or key."""


class LocalFileMissing(HubError):
    """A local path, or a file of an installed package, does not exist."""


class MissingOffline(HubError):
    """Offline, and the cache is incomplete.

    :param missing: paths in the repository, or the revision that was never resolved.
    """

    def __init__(self, message: str, *, missing: Sequence[str] = ()):
        super().__init__(message)
        self.missing = tuple(missing)


class NotFound(HubError):
    """Not found at any endpoint."""


class RepositoryNotFound(NotFound):
    """No such repository, or a private one that the token cannot access."""


class RevisionNotFound(NotFound):
    """The repository has no such branch, tag or commit."""


class EntryNotFound(NotFound):
    """The repository has no such file or folder at that revision."""


class AccessDenied(HubError):
    """The repository exists, but access is refused."""


class GatedRepository(AccessDenied):
    """The repository's license must be accepted first; the message says how."""


class TokenRejected(AccessDenied):
    """The endpoint rejects the token."""


class EndpointsFailed(HubError):
    """No endpoint delivered.

    :param failures: (URL, reason) per endpoint, in the order they were tried.
    """

    def __init__(self, message: str, failures: Sequence[tuple[str, HubError]] = ()):
        super().__init__(message)
        self.failures = tuple(failures)


class CacheError(HubError):
    """A fault of the local disk; other endpoints cannot help."""


class DiskFull(CacheError):
    """The cache's file system is full. Partial downloads are kept and will be resumed."""


class CacheNotWritable(CacheError):
    """The cache folder cannot be written."""


class LockTimeout(CacheError):
    """Another process holds a file's lock and makes no progress.

    :param lock: the lock file.
    """

    def __init__(self, message: str, lock: Path):
        super().__init__(message)
        self.lock = lock


class EndpointFailure(HubError):
    """A fault of one endpoint; another may work."""


class Unreachable(EndpointFailure):
    """No connection, no TLS, no response."""


class Stalled(EndpointFailure):
    """Connected, but silent or slower than the settings allow."""


class Broken(EndpointFailure):
    """The connection broke, or the server is busy: worth a retry at the same endpoint.

    :param moved_bytes: bytes this attempt transferred; an attempt that transferred many does not count as failed.
    :param retry_after_s: the server's ``Retry-After``.
    """

    def __init__(self, message: str, *, moved_bytes: int = 0, retry_after_s: float = 0.0):
        super().__init__(message)
        self.moved_bytes = moved_bytes
        self.retry_after_s = retry_after_s


class Refused(EndpointFailure):
    """An HTTP status that a retry will not change."""


class IntegrityError(EndpointFailure):
    """The response is not the requested file, or not a hub's response."""
