"""Voxgate's own API: speech, voices, pronunciation dictionaries, engines, health, live sessions."""

from gateway.api.native import engines, health, lexicons, live, speech, text, voices

ROUTERS = (
    engines.router,
    health.router,
    lexicons.router,
    live.router,
    speech.router,
    text.router,
    voices.router,
)
