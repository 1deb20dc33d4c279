"""Listening sockets of ``voxgate serve``, and a plain error if they cannot be opened."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

from gateway.errors import GatewayError

BACKLOG = 2048
_MAX_COMMAND_CHARS = 60
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_LISTENING = "0A"  # the state in /proc/net/tcp


class CannotListen(GatewayError):
    """The address or port cannot be used; the message names it and the fix."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Open listening sockets for every address of a host; ``::`` is all IPv6 and IPv4 addresses.

    :raises CannotListen: naming the address and the fix.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for index, (family, _, _, _, address) in enumerate(found, 1):
            dual = host == "::" and socket.has_dualstack_ipv6()
            try:
                sockets.append(socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=dual))
            except OSError as error:  # `localhost` may have an IPv6 address on a machine without IPv6
                if error.errno not in _NO_SUCH_ADDRESS or (index == len(found) and not sockets):
                    raise
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise CannotListen(_reason(error, host, port)) from None
    return sockets


def _reason(error: OSError, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"host {host!r} is not an address of this machine ({error.strerror}): choose another with --host"
    if error.errno == errno.EADDRINUSE:
        user = _process_on(port)
        by = f" by {user}" if user else ""
        return f"port {port} is in use{by}: stop that process, or choose another port with --port (0: a free one)"
    if error.errno == errno.EACCES:
        return f"port {port} is reserved for administrators: choose one of 1024 and above with --port"
    # asyncio's message would repeat the address as a tuple
    return f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}; choose others with --host and --port"


def _process_on(port: int) -> str | None:
    """The process that listens on a port, if this user may see it (Linux)."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*") if sockets else ():
        with contextlib.suppress(OSError):
            if os.readlink(link) in sockets:
                process = link.parts[2]
                command = Path("/proc", process, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return f"process {process} ({command.strip()[:_MAX_COMMAND_CHARS]})"
    return None
