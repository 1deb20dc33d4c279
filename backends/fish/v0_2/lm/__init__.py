"""The language model of Fish-Speech 0.2: from a prompt of text and codes to frames of codes."""
