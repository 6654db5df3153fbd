"""asv's own pages, built from the same results."""
