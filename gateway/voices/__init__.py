"""Stored reference voices: recordings that engines clone."""
