"""The classic Fish-Speech 0.2 API."""
