"""Deployment of the gateway to services that run containers."""
