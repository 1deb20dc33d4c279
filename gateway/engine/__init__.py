"""Engines as the gateway sees them: clients, the processes behind them, admission."""
