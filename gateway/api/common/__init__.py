"""Shared parts of all dialects: authentication, limits, bodies, responses, errors, WebSockets."""
