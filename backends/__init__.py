"""Speech engines and what they share. The modules named in docs/architecture.md as the leaf need no torch."""
