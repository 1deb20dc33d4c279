"""``/ui``: static files with the response headers that restrict what the page may load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",  # the AudioWorklet's module too
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # browsers revalidate with the ETag, so that an upgrade shows at once
}


class _PageFiles(StaticFiles):
    """The files of the page; ``/ui/`` is ``index.html``."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response("index.html" if path == "." else path, scope)
        response.headers.update(HEADERS)
        return response


async def _add_slash(_: Request) -> Response:
    """Redirect ``/ui``. The address is relative, because a reverse proxy may have removed a prefix."""
    return RedirectResponse("ui/")


def routes() -> list[BaseRoute]:
    """The routes of the page. They need no API key; the requests of the page do."""
    return [
        Route("/ui", _add_slash, include_in_schema=False),
        Mount("/ui", _PageFiles(directory=Path(__file__).parent / "static"), name="ui"),
    ]
