"""Fish Audio's API, which Fish-Speech's own server has offered since version 1.4."""

from gateway.api.fish_audio import codec, live, models, references, speech

ROUTERS = (
    codec.router,
    live.router,
    models.router,
    references.router,
    speech.router,
)
