"""Shared by engines: torch setup, precision, checkpoints, seeds, fair queueing, text splitting, tempo."""
