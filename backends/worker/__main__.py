"""``python -m backends.worker --address ipc://…``: started by the gateway, never by hand."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading

from backends.registry import Registry
from backends.worker.channel import ZmqChannel
from backends.worker.loop import serve


class _JsonLines(logging.Formatter):
    """One JSON object a line, which the gateway folds into its own log."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname.lower(), "logger": record.name, "event": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _leave_with_gateway() -> None:
    """End this process when the gateway's end of stdin closes: a killed gateway leaves no worker behind.

    In a thread of its own, because the main thread may be deep in a step that never returns.
    """
    while os.read(0, 1):  # unbuffered: a buffered reader would hold a lock that the interpreter's exit trips over
        pass
    os._exit(1)


def main() -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m backends.worker", description=__doc__)
    parser.add_argument("--address", required=True, help="the ZeroMQ address that the gateway has bound")
    address = parser.parse_args().address
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    threading.Thread(target=_leave_with_gateway, daemon=True, name="leave-with-gateway").start()
    channel = ZmqChannel(address)
    try:
        return serve(channel, Registry())
    finally:
        channel.close()


if __name__ == "__main__":
    sys.exit(main())
