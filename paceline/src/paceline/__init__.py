"""Judges a change's speed against its base, and finds slowdowns in a history of benchmarks.

Importing this package imports nothing else: worker processes load it with the code that they time.
"""
