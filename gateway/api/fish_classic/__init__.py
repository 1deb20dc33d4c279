"""The classic Fish-Speech 0.2 API."""

from gateway.api.fish_classic import routes

ROUTERS = (routes.router,)
