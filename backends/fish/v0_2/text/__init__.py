"""Text processing of Fish-Speech 0.2: normalization, languages, phones, tokens and prompts. Needs no torch."""
