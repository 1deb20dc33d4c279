"""The language model of Fish-Speech 0.2 (text2semantic): continues a prompt of text and codes with frames of codes."""
