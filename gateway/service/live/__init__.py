"""Live sessions: incremental text input with streaming audio output."""
