"""Templates of other tools, rendered from a plan."""
