"""Stored pronunciation dictionaries, and their formats."""
