"""What engines on torch share: choosing a device and a precision, reading checkpoints without unpickling them."""
