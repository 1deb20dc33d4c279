"""Voxgate's own API: speech, voices, engines, health, live sessions."""

from gateway.api.native import engines, health, home, live, speech, text, voices

ROUTERS = (
    engines.router,
    health.router,
    home.router,
    live.router,
    speech.router,
    text.router,
    voices.router,
)
