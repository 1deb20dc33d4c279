"""Protection against cross-site request forgery by web pages.

Voxgate sets no cookies, but a page on any site could otherwise make a visitor's browser unload an engine of a gateway
that runs on the visitor's machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette._utils import get_route_path
from starlette.types import Scope

from gateway.api.common.scope import header, method
from gateway.errors import CrossSite

# WebSockets are included: browsers open them for pages of any site without a preflight request.
_STATE_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE", "WEBSOCKET"})
_COSTLY_TO_GET = frozenset({"/tts"})  # synthesis, which an <img> of any page could start
_HIDDEN = "(hidden)"  # the page's address; not an origin that a setting can list


class CsrfGuard:
    """Reject state-changing requests, WebSockets and GETs that start synthesis if they come from another site.

    The site is the ``Origin``. Browsers send none with the GET of an ``<audio>`` or ``<img>``; there it is the
    ``Referer``'s, and ``Sec-Fetch-Site`` reveals another site that hides its address. Other clients send none of these.

    :param origins: allowed origins; ``*`` allows all.
    :param trust_host_header: whether any ``Origin`` that equals the ``Host`` header is same-site. Anyone can point a
        domain of theirs at this machine (DNS rebinding), so without API keys only IP addresses and ``localhost`` are.
    """

    def __init__(self, origins: Collection[str], trust_host_header: bool):
        self._origins = frozenset(origins)
        self._trust_host_header = trust_host_header

    def check(self, scope: Scope) -> CrossSite | None:
        """The error for a request that must be rejected; None if it is allowed."""
        origin = _sender(scope)
        if not origin or self._is_trusted(origin, scope):
            return None
        if origin == _HIDDEN:
            return CrossSite(
                "cross-site request without Origin and Referer: to allow it, add the page's origin to cors.origins and "
                "the attribute crossorigin to its <audio>"
            )
        return CrossSite(f"cross-site request from {origin}: to allow it, add that origin to cors.origins")

    def _is_trusted(self, origin: str, scope: Scope) -> bool:
        if not self._origins.isdisjoint((origin, "*")):
            return True
        try:
            url = urlsplit(origin)
            host = url.hostname
        except ValueError:  # such as http://[
            return False
        is_same_host = url.scheme in ("http", "https") and bool(host) and url.netloc == header(scope, b"host")
        return is_same_host and (self._trust_host_header or is_ip_or_localhost(host or ""))


def _sender(scope: Scope) -> str:
    """The origin of the page that sent a request to protect; empty if none did or the request needs no protection."""
    if method(scope) in _STATE_CHANGING:
        return header(scope, b"origin")
    if get_route_path(scope) not in _COSTLY_TO_GET:
        return ""
    if origin := header(scope, b"origin"):
        return origin
    scheme, separator, rest = header(scope, b"referer").partition("://")
    if separator:
        return f"{scheme}://{rest.split('/', 1)[0]}"
    return _HIDDEN if header(scope, b"sec-fetch-site") in ("cross-site", "same-site") else ""


def is_ip_or_localhost(host: str) -> bool:
    """Whether DNS cannot redirect this host elsewhere."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
