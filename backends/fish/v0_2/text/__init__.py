"""Fish-Speech 0.2's text front end: cleaning, languages, phones, and the prompt made of them. Needs no torch."""
