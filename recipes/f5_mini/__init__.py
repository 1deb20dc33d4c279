"""f5-mini: a small English checkpoint in the layout of F5-TTS, trained on a CPU or a GPU. See the README."""
