"""Makes the two sides of a gate: each is written to disk, installed and started as the user would."""
