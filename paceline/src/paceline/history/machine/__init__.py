"""The machine of a run: its hardware, its name, and other facts that may explain a change."""
