"""Reference voices: the recordings that engines clone, kept under names."""
