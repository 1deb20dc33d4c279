"""``GET /``: the way to the page for browsers; name, version and links for programs."""

from __future__ import annotations

import html

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse

from gateway import __version__
from gateway.api.common.deps import ServicesDep
from gateway.api.common.openapi import JSON, success
from gateway.api.common.route import DialectRoute

router = APIRouter(tags=["operation"], route_class=DialectRoute)

_LINKS = {
    "docs": "docs",
    "engines": "v1/engines",
    "voices": "v1/voices",
    "models": "v1/models",
    "health": "health/ready",
}
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Voxgate</title>
<body style="font: 1rem/1.5 system-ui, sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem">
<h1>Voxgate {version}</h1>
<p>A text-to-speech gateway. The default engine is <code>{engine}</code>.</p>
<pre style="overflow-x: auto">{example}</pre>
<ul>{links}</ul>
"""


_RESPONSES = success("Name, version and links; a page for browsers.", JSON, "text/html") | {
    307: {"description": "To `/ui`."}
}


@router.get("/", summary="Name, version and links", response_class=Response, responses=_RESPONSES)
async def home(request: Request, services: ServicesDep) -> Response:
    """Name, version, links and an example as JSON. A browser is redirected to `/ui`, or gets HTML if that is off."""
    base, engine = str(request.base_url), services.engines.default
    example = f"""curl -s {base}tts -H 'content-type: application/json' -d '{{"text":"Hello."}}' -o hello.wav"""
    paths = {**({"ui": "ui/"} if services.settings.ui.enabled else {}), **_LINKS}
    links = {name: base + path for name, path in paths.items()}
    vary = {"Vary": "Accept"}
    if "text/html" not in request.headers.get("accept", ""):
        named = {"name": "voxgate", "version": __version__, "default_engine": engine}
        return JSONResponse({**named, "links": links, "example": example}, headers=vary)
    if services.settings.ui.enabled:
        # Relative for a proxy that removes a prefix which root_path does not name.
        prefix = request.scope.get("root_path", "")
        return RedirectResponse(f"{prefix}/ui/" if prefix else "ui/", headers=vary)
    items = "".join(f'<li><a href="{html.escape(url)}">{html.escape(url)}</a></li>' for url in links.values())
    page = _PAGE.format(version=__version__, engine=engine, example=html.escape(example), links=items)
    return HTMLResponse(page, headers=vary)
