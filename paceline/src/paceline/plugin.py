"""pytest's side of paceline: options and hooks, nothing else."""
