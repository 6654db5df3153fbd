"""Findings as data, and reports that show them. Standard library only."""
