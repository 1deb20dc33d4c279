"""Protection against cross-site request forgery by web pages.

Voxgate sets no cookies, but a page on any site could otherwise make a visitor's browser unload an engine of a gateway
that runs on the visitor's machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import Scope

from gateway.api.common.scope import header, method
from gateway.errors import CrossSite

# WebSockets are included: browsers open them for pages of any site without a preflight request.
_STATE_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE", "WEBSOCKET"})


class CsrfGuard:
    """Reject state-changing requests and WebSockets whose ``Origin`` is another site.

    :param origins: allowed origins; ``*`` allows all.
    :param trust_host_header: whether any ``Origin`` that equals the ``Host`` header is same-site. Anyone can point a
        domain of theirs at this machine (DNS rebinding), so without API keys only IP addresses and ``localhost`` are.
    """

    def __init__(self, origins: Collection[str], trust_host_header: bool):
        self._origins = frozenset(origins)
        self._trust_host_header = trust_host_header

    def check(self, scope: Scope) -> CrossSite | None:
        """The error for a request that must be rejected; None if it is allowed."""
        origin = header(scope, b"origin")
        if not origin or method(scope) not in _STATE_CHANGING or self._is_trusted(origin, scope):
            return None
        return CrossSite(f"cross-site request from {origin}: to allow it, add that origin to cors.origins")

    def _is_trusted(self, origin: str, scope: Scope) -> bool:
        if not self._origins.isdisjoint((origin, "*")):
            return True
        try:
            url = urlsplit(origin)
            host = url.hostname
        except ValueError:  # such as http://[
            return False
        is_same_host = bool(host) and url.netloc == header(scope, b"host")
        return is_same_host and (self._trust_host_header or is_ip_or_localhost(host or ""))


def is_ip_or_localhost(host: str) -> bool:
    """Whether DNS cannot redirect this host elsewhere."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
