"""Keeps every run, and finds what became slower, by commit and by hardware."""
