"""Models and prompts of the classic Fish-Speech API."""
