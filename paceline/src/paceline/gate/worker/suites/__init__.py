"""Suites written for other tools than pytest-benchmark, one module per tool."""
