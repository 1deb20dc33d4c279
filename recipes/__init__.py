"""How checkpoints of our own were made."""
