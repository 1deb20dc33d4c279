"""The Fish-Speech engine: VQGAN prompt encoding, text2semantic generation, VQGAN decoding."""
