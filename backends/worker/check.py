"""``python -m backends.worker.check``: check an engine's configuration without loading it.

Reads a ``Configure`` message in JSON from stdin. Prints a JSON object: ``voices``, the built-in voices that the
configuration determines, or ``error``.
"""

from __future__ import annotations

import os
import sys

import msgspec

from backends.errors import BackendError
from backends.registry import Registry
from backends.wire import Configure
from backends.worker.environment import move_endpoint_list


def main() -> None:
    """Let the plugin check the configuration, as the worker does before it loads the engine."""
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Configure)
    try:
        plugin = Registry().plugin_class(given.backend)(move_endpoint_list(given.config, os.environ))
        answer: dict[str, object] = {"voices": plugin.known_voices()}
    except BackendError as error:
        answer = {"error": str(error)}
    print(msgspec.json.encode(answer).decode())  # noqa: T201 - the answer to the gateway


if __name__ == "__main__":
    main()
