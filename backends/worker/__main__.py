"""``python -m backends.worker --address ipc://…``, started by the gateway."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import threading

from backends.errors import describe_with_traceback
from backends.registry import Registry
from backends.worker.channel import ZmqChannel
from backends.worker.loop import serve


class _JsonLines(logging.Formatter):
    """Log formatter: one JSON object per line, which the gateway merges into its own log."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname.lower(), "logger": record.name, "event": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            line["exception"] = describe_with_traceback(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _exit_with_gateway() -> None:
    """Exit when the gateway closes its end of stdin, so that a killed gateway leaves no worker running.

    Runs in its own thread, because the main thread may be in a long step.
    """
    while os.read(0, 1):  # unbuffered: a buffered reader holds a lock that blocks the interpreter's exit
        pass
    os._exit(1)


def main() -> int:
    """Parse the command line and run the worker."""
    parser = argparse.ArgumentParser(prog="python -m backends.worker", description=__doc__)
    parser.add_argument("--address", required=True, help="ZeroMQ address that the gateway has bound")
    address = parser.parse_args().address
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    threading.Thread(target=_exit_with_gateway, daemon=True, name="exit-with-gateway").start()
    channel = ZmqChannel(address)
    try:
        return serve(channel, Registry())
    finally:
        channel.close()


if __name__ == "__main__":
    sys.exit(main())
