"""Protection against DNS rebinding: which ``Host`` a request may have."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

ANY = "*"


class TrustedHosts:
    """Host names by which a server without API keys may be addressed.

    The owner of any other name can point it at this machine once a page of theirs has been loaded. The browser then
    takes the server for the page's own, and lets the page read its responses. IP addresses and ``localhost`` cannot be
    pointed elsewhere.

    :param names: further names; ``*.example.com`` is every name below ``example.com``, ``*`` every name.
    """

    def __init__(self, names: Collection[str]):
        lower = [name.lower() for name in names if name]
        self._any = ANY in lower
        self._names = frozenset(lower)
        self._suffixes = tuple(name[1:] for name in lower if name.startswith("*."))

    def trusts(self, host: str) -> bool:
        """Whether a request may have this ``Host`` header. Every browser sends one, so it may be missing (empty)."""
        if self._any or not host:
            return True
        name = hostname(f"//{host}")
        return name in self._names or name.endswith(self._suffixes) or _is_ip_or_localhost(name)


def hostname(url: str) -> str:
    """The host of a URL, without its port; empty if it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # such as http://[
        return ""


def _is_ip_or_localhost(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
