"""What engines share: starting torch, precision, checkpoints, seeds, the fair queue, splitting text, change of pace."""
