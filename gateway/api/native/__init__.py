"""Voxgate's own API: speech, voices, pronunciation dictionaries, engines, health, live sessions."""

from gateway.api.native import engines, health, home, lexicons, live, speech, text, voices

ROUTERS = (
    engines.router,
    health.router,
    home.router,
    lexicons.router,
    live.router,
    speech.router,
    text.router,
    voices.router,
)
