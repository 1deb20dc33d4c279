"""Fish-Speech 0.2: a VQGAN codec, a text2semantic language model and a phonetic front end."""
