"""What engines share: device and precision, checkpoints, the fair queue, splitting text, change of pace."""
