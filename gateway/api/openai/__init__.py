"""OpenAI-compatible speech and voices."""
