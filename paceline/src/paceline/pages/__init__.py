"""Builds the website of a history, and has asv publish its own if asked to."""
