"""Engine clients: worker processes, their supervision, and admission control."""
