"""fish-mini: a small English checkpoint in the layout of Fish-Speech 0.2, trained on a CPU. See the README."""
