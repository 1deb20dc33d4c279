"""State files of running gateways, so that other commands find a gateway on any port.

One small file per port in the user's state folder. A gateway that was killed leaves its file, so readers probe.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from gateway.disk import replace_file
from gateway.environment import user_folder

MAX_CANDIDATES = 8
_MAX_BYTES = 4096


def _folder() -> Path | None:
    state = user_folder("state")
    return state and state / "servers"


@contextlib.contextmanager
def announced(url: str, port: int) -> Iterator[None]:
    """Keep a state file for the duration of the context, if the folder can be written."""
    folder, content = _folder(), json.dumps({"url": url, "process": os.getpid()})
    path = folder and folder / f"{port}.json"
    with contextlib.suppress(OSError):
        if path is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(path, content.encode())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path is not None and path.read_text() == content:  # otherwise a later gateway's
                path.unlink()


def candidates() -> list[str]:
    """URLs of gateways that have been started by this user and may be running, the latest first."""
    folder = _folder()
    found = []
    with contextlib.suppress(OSError):
        for path in folder.glob("*.json") if folder is not None else ():
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                url = json.loads(path.read_bytes()[:_MAX_BYTES])["url"]
                if isinstance(url, str):
                    found.append((path.stat().st_mtime, url))
    return [url for _, url in sorted(found, reverse=True)[:MAX_CANDIDATES]]
