"""Voxgate's own API: speech, voices, codes, pronunciation dictionaries, engines, health, live sessions."""

from gateway.api.native import codes, engines, health, home, lexicons, live, speech, text, voices

ROUTERS = (
    codes.router,
    engines.router,
    health.router,
    home.router,
    lexicons.router,
    live.router,
    speech.router,
    text.router,
    voices.router,
)
