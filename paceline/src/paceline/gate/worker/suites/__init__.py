"""Runs suites written for tools other than pytest-benchmark, unchanged."""
