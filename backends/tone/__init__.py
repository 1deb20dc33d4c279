"""A test engine: sine tones whose speed, failures and crashes are options."""
