"""Voxgate's own API: speech, voices, engines, health, live sessions."""
