"""Builds asv's own pages from the same results."""
