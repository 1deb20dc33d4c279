"""Errors of the backends.

BackendError
├── InvalidJob              the request is at fault; names the field; the engine is unaffected
├── EngineFault             the engine is at fault
│   ├── FatalFault          unrecoverable: the worker process must end (lost device, corrupt state)
│   └── LoadError           the engine cannot be loaded
│       └── InvalidConfig   its configuration is at fault; names the key
├── RegistryError           an engine plugin is at fault
│   ├── UnknownEngine
│   ├── DuplicateEngine
│   └── BrokenEngine        its entry point cannot be imported or is not an EnginePlugin
└── WireError               a message between gateway and worker is invalid
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence


class BackendError(Exception):
    """Root of all errors that ``backends`` raises on purpose."""


class InvalidJob(BackendError):
    """The job cannot be processed as specified.

    :param message: the fault, for the client.
    :param param: the request field at fault, e.g. ``text`` or ``options.nfe``.
    :param needs_languages: BCP 47 primary subtags; an engine that supports one of them could process the job.
    """

    def __init__(self, message: str, *, param: str | None = None, needs_languages: Sequence[str] = ()):
        super().__init__(message)
        self.message = message
        self.param = param
        self.needs_languages = tuple(needs_languages)


class EngineFault(BackendError):
    """The engine is at fault, not the request. (A failed job is an event, ``base.Failed``, not an exception.)"""


class FatalFault(EngineFault):
    """The device or the engine's state is lost; the worker process must be restarted."""


class LoadError(EngineFault):
    """The engine cannot be loaded: missing weights, wrong layout, no device."""


class InvalidConfig(LoadError):
    """The engine's configuration is at fault.

    :param key: full path of the key, e.g. ``engines.f5.model.vocoder``.
    :param fault: the value, the rule and the fix.
    """

    def __init__(self, key: str, fault: str):
        super().__init__(f"configuration key {key}: {fault}")
        self.key = key


class RegistryError(BackendError):
    """An engine plugin cannot be used."""


class UnknownEngine(RegistryError):
    """No installed plugin has that name; the message lists the installed ones."""


class DuplicateEngine(RegistryError):
    """Two installed plugins have the same name; the message names both."""


class BrokenEngine(RegistryError):
    """A plugin's entry point cannot be imported, or is not an :class:`backends.base.EnginePlugin`."""


class WireError(BackendError):
    """A frame from the other process is not a valid message of this protocol."""


def describe(error: BaseException) -> str:
    """The type of an unexpected error. Its message is left out, because it may quote the text of a request."""
    reason = error.strerror if isinstance(error, OSError) else str(error) if isinstance(error, EngineFault) else None
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


def describe_with_traceback(error: BaseException) -> str:
    """The traceback of an error and of its causes, each described as by :func:`describe`."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        parts.append("".join(traceback.format_tb(cause.__traceback__)) + describe(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\n".join(reversed(parts))
