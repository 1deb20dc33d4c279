"""Protection against web pages of other sites: cross-site request forgery and DNS rebinding.

Voxgate sets no cookies, but a page on any site could otherwise make a visitor's browser unload an engine of a gateway
that runs on the visitor's machine, or read its voices.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette._utils import get_route_path
from starlette.types import Scope

from gateway.api.common.hosts import ANY, TrustedHosts, hostname
from gateway.api.common.scope import header, method
from gateway.errors import CrossSite, Forbidden, GatewayError
from gateway.settings import Settings

# WebSockets are included: browsers open them for pages of any site without a preflight request.
_STATE_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE", "WEBSOCKET"})
_COSTLY_TO_GET = frozenset({"/tts"})  # synthesis, which an <img> of any page could start
_HIDDEN = "(hidden)"  # the page's address; not an origin that a setting can list


class CsrfGuard:
    """Reject requests to a host name that is not the gateway's, and some requests of other sites' pages.

    The latter are state-changing requests, WebSockets, and GETs that start synthesis. The site is the ``Origin``.
    Browsers send none with the GET of an ``<audio>`` or ``<img>``; there it is the ``Referer``'s, and
    ``Sec-Fetch-Site`` reveals another site that hides its address. Other clients send none of these.

    With API keys, every host name is trusted, because a page without a key is refused anyway. An origin that may read
    responses may do so by its own name as well, so ``cors.origins`` adds to ``access.hosts``.
    """

    def __init__(self, settings: Settings):
        self._origins = frozenset(settings.cors.origins)
        names = [settings.host, *settings.access.hosts, *map(hostname, self._origins)]
        self._hosts = TrustedHosts([ANY] if settings.access.keys else names)

    def check(self, scope: Scope) -> GatewayError | None:
        """The error for a request that must be rejected; None if it is allowed."""
        host = header(scope, b"host")
        if not self._hosts.trusts(host):
            return Forbidden(
                f"unknown host {host[:100]!r}: without API keys, a request must name an IP address, localhost or a "
                "name in access.hosts: add this one there, or configure access.keys"
            )
        origin = _sender(scope)
        if not origin or not self._origins.isdisjoint((origin, "*")) or _has_host(origin, host):
            return None
        if origin == _HIDDEN:
            return CrossSite(
                "cross-site request without Origin and Referer: to allow it, add the page's origin to cors.origins and "
                "the attribute crossorigin to its <audio>"
            )
        return CrossSite(f"cross-site request from {origin}: to allow it, add that origin to cors.origins")


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


def _has_host(origin: str, host: str) -> bool:
    """Whether a page of this origin is the gateway's own."""
    try:
        url = urlsplit(origin)
    except ValueError:  # such as http://[
        return False
    return url.scheme in ("http", "https") and bool(url.netloc) and url.netloc == host
