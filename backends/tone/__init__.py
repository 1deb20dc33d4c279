"""Test engine: sine tones with configurable speed, failures and crashes."""
