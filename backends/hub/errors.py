"""What can go wrong between a reference and the file it names.

HubError (a backends.errors.LoadError)
├── MalformedReference      the reference cannot be read
├── BadHubSettings          an endpoint, a token, a proxy or a number in the settings makes no sense
├── LocalFileMissing        a local path, or a file shipped with a package, is not there
├── MissingOffline          offline, and the cache lacks something: names what
├── NotFound                every endpoint says so
│   ├── RepositoryNotFound
│   ├── RevisionNotFound
│   └── EntryNotFound       no such file or folder at that revision
├── AccessDenied            the repository exists, but not for us
│   ├── GatedRepository     its licence has to be accepted first
│   └── TokenRejected       the endpoint does not know this token
├── EndpointsFailed         no endpoint delivered: lists each and why
├── CacheError              this machine's disk is at fault; no other endpoint could help
│   ├── DiskFull
│   ├── CacheNotWritable
│   └── LockTimeout         another process holds a file and makes no headway
└── EndpointFailure         one endpoint's fault; callers meet it only in ``EndpointsFailed.failures``
    ├── Unreachable         no connection, no TLS, no answer
    ├── Stalled             connected, then silent or slower than the settings allow
    ├── Broken              the connection broke or the server is busy: worth another try
    ├── Refused             an HTTP status that more tries will not change
    └── Lying               what it sends is not the file, or not a hub's answer
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backends.errors import LoadError


class HubError(LoadError):
    """Root of every error raised on purpose by ``backends.hub``."""


class MalformedReference(HubError):
    """The reference cannot be read; the message says how one looks."""


class BadHubSettings(HubError):
    """A setting makes no sense; the message names the variable or key."""


class LocalFileMissing(HubError):
    """A local path, or a file shipped with a package, is not there."""


class MissingOffline(HubError):
    """Offline, and the cache lacks something.

    :param missing: what is missing: paths in the repository, or the revision that was never resolved.
    """

    def __init__(self, message: str, *, missing: Sequence[str] = ()):
        super().__init__(message)
        self.missing = tuple(missing)


class NotFound(HubError):
    """No endpoint has it."""


class RepositoryNotFound(NotFound):
    """No such repository, or a private one that the token does not open."""


class RevisionNotFound(NotFound):
    """The repository has no such branch, tag or commit."""


class EntryNotFound(NotFound):
    """The repository has no such file or folder at that revision."""


class AccessDenied(HubError):
    """The repository exists, but not for us."""


class GatedRepository(AccessDenied):
    """The repository's licence has to be accepted first; the message says how."""


class TokenRejected(AccessDenied):
    """The endpoint does not know this token."""


class EndpointsFailed(HubError):
    """No endpoint delivered.

    :param failures: each endpoint's URL and why it failed, in the order they were asked.
    """

    def __init__(self, message: str, failures: Sequence[tuple[str, HubError]] = ()):
        super().__init__(message)
        self.failures = tuple(failures)


class CacheError(HubError):
    """This machine's disk is at fault; no other endpoint could help."""


class DiskFull(CacheError):
    """The cache's file system has no room; what was fetched so far is kept and will be continued."""


class CacheNotWritable(CacheError):
    """The cache folder cannot be written."""


class LockTimeout(CacheError):
    """Another process holds the lock of a file and makes no headway.

    :param lock: the lock file.
    """

    def __init__(self, message: str, lock: Path):
        super().__init__(message)
        self.lock = lock


class EndpointFailure(HubError):
    """One endpoint's fault; the next one may do better."""


class Unreachable(EndpointFailure):
    """No connection, no TLS, no answer."""


class Stalled(EndpointFailure):
    """Connected, then silent or slower than the settings allow."""


class Broken(EndpointFailure):
    """The connection broke, or the server is busy: the same endpoint is worth another try.

    :param moved_bytes: how much this try brought; a try that brought much does not count as a failed one.
    :param retry_after_s: how long the server asked us to wait.
    """

    def __init__(self, message: str, *, moved_bytes: int = 0, retry_after_s: float = 0.0):
        super().__init__(message)
        self.moved_bytes = moved_bytes
        self.retry_after_s = retry_after_s


class Refused(EndpointFailure):
    """An HTTP status that more tries will not change."""


class Lying(EndpointFailure):
    """What it sends is not the file that was asked for, or not a hub's answer at all."""
