"""The proof that a change cannot touch a benchmark: what it ran on each side, and which of it differs."""
