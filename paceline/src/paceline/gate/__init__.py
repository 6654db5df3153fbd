"""Judges a change by a randomised controlled trial: fresh process pairs, interleaved bursts, exact tests."""
