"""Judges a change by a randomised controlled trial: fresh pairs of processes, interleaved bursts, exact tests."""
