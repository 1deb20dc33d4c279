"""Checkpoint references, downloads, cache and verification.

Importing this package is cheap: the HTTP client is imported by the first download.
"""

from __future__ import annotations

from backends.hub.check import CheckReport, Problem
from backends.hub.errors import (
    AccessDenied,
    BadHubSettings,
    CacheError,
    DiskFull,
    EndpointsFailed,
    GatedRepository,
    HubError,
    LocalFileMissing,
    LockTimeout,
    MalformedReference,
    MissingOffline,
    NotFound,
)
from backends.hub.fetch import Fetched, PlannedFile
from backends.hub.hub import Hub, Probe
from backends.hub.reference import HubReference, LocalReference, PackageReference, Reference, parse_reference
from backends.hub.settings import Endpoint, HubSettings

__all__ = [
    "AccessDenied",
    "BadHubSettings",
    "CacheError",
    "CheckReport",
    "DiskFull",
    "Endpoint",
    "EndpointsFailed",
    "Fetched",
    "GatedRepository",
    "Hub",
    "HubError",
    "HubReference",
    "HubSettings",
    "LocalFileMissing",
    "LocalReference",
    "LockTimeout",
    "MalformedReference",
    "MissingOffline",
    "NotFound",
    "PackageReference",
    "PlannedFile",
    "Probe",
    "Problem",
    "Reference",
    "parse_reference",
]
