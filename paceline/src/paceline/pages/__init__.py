"""Builds the website of a history: asv's pages, made safe and self-contained, plus *Compare* and *Slowdowns*."""
