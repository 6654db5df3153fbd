"""Suites that were written for other tools, and run unchanged."""
