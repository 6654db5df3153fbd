"""The machine that a run was recorded on: its hardware, the name made from that, and what else was there."""
