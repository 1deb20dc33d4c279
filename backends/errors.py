"""What can go wrong below the gateway.

BackendError
├── InvalidJob              the request is at fault: names the field; the engine is unharmed
├── EngineFault             the engine is at fault
│   ├── FatalFault          for good: the worker process must end (lost device, corrupt state)
│   └── LoadError           ... while loading; nothing was served yet
├── RegistryError           an engine plugin is at fault
│   ├── UnknownEngine
│   ├── DuplicateEngine
│   └── BrokenEngine        its entry point cannot be imported or is no Engine
└── WireError               a message between gateway and worker cannot be read
"""

from __future__ import annotations

from collections.abc import Sequence


class BackendError(Exception):
    """Root of every error raised on purpose by ``backends``."""


class InvalidJob(BackendError):
    """The job cannot be spoken as asked.

    :param message: what is wrong, for the person who sent the request.
    :param param: the request field at fault, e.g. ``text`` or ``options.nfe``.
    :param needs_languages: set when another engine could speak it: the languages (BCP 47 primary subtags)
        of which an engine would have to know at least one.
    """

    def __init__(self, message: str, *, param: str | None = None, needs_languages: Sequence[str] = ()):
        super().__init__(message)
        self.message = message
        self.param = param
        self.needs_languages = tuple(needs_languages)


class EngineFault(BackendError):
    """The engine, not the request, is at fault. (One job's failure is an event, ``base.Failed``, not an exception.)"""


class FatalFault(EngineFault):
    """The device or the engine's state is lost; the worker process has to end and be started again."""


class LoadError(EngineFault):
    """The engine could not be loaded: missing weights, wrong layout, no device."""


class RegistryError(BackendError):
    """An engine plugin cannot be used."""


class UnknownEngine(RegistryError):
    """No installed plugin has that name; the message lists those that exist."""


class DuplicateEngine(RegistryError):
    """Two installed plugins claim one name; the message names both."""


class BrokenEngine(RegistryError):
    """A plugin's entry point cannot be imported, or is not an :class:`backends.base.Engine`."""


class WireError(BackendError):
    """Bytes from the other side of the process boundary are not a message of this protocol."""
