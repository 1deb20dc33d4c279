"""Recipes: training of the checkpoints that ship with the engines."""
