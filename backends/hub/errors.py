"""Errors of fetching checkpoints.

HubError (a backends.errors.LoadError)
├── MalformedReference      invalid reference syntax
├── BadHubSettings          an invalid endpoint or number in the settings
├── LocalFileMissing        a local path, or a file of an installed package, does not exist
├── MissingOffline          offline, and the cache is incomplete: lists the missing files
├── NotFound                no such repository, revision, file or folder at any endpoint
├── AccessDenied            the repository exists, but access is refused
│   └── GatedRepository     its license must be accepted first
├── EndpointsFailed         no endpoint delivered: lists each with its reason
├── CacheError              a fault of the local disk; other endpoints cannot help
│   ├── DiskFull
│   └── LockTimeout         another process holds a file's lock and makes no progress
└── EndpointFailure         a fault of one endpoint; raised only inside ``EndpointsFailed.failures``
    ├── Refused             an HTTP status that a retry will not change
    └── WrongBytes          the response is not the file, or not a hub's response
"""

from __future__ import annotations

from collections.abc import Sequence

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

    :param missing: paths in the repository, or the reference that was never resolved.
    """

    def __init__(self, message: str, *, missing: Sequence[str] = ()):
        super().__init__(message)
        self.missing = tuple(missing)


class NotFound(HubError):
    """No endpoint has the repository, the revision, the file or the folder."""


class AccessDenied(HubError):
    """The repository exists, but access is refused."""


class GatedRepository(AccessDenied):
    """The repository's license must be accepted first; the message says how."""


class EndpointsFailed(HubError):
    """No endpoint delivered.

    :param failures: (URL, reason) per endpoint.
    """

    def __init__(self, message: str, failures: Sequence[tuple[str, HubError]] = ()):
        super().__init__(message)
        self.failures = tuple(failures)


class CacheError(HubError):
    """A fault of the local disk, such as a folder that cannot be written."""


class DiskFull(CacheError):
    """The cache's file system is full. Partial downloads are kept and will be resumed."""


class LockTimeout(CacheError):
    """Another process holds a file's lock and makes no progress."""


class EndpointFailure(HubError):
    """No connection, silence, a broken connection or a busy server: worth another try.

    :ivar received_bytes: bytes of the file that arrived before.
    """

    received_bytes = 0


class Refused(EndpointFailure):
    """An HTTP status that a retry will not change."""


class WrongBytes(EndpointFailure):
    """The response is not the requested file, or not a hub's response. The endpoint is not asked again."""
