"""OpenAI-compatible API: speech, models, voices."""

from gateway.api.openai import speech, voices

ROUTERS = (
    speech.router,
    voices.router,
)
