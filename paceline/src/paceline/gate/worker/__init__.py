"""Code of a worker, one process of a pair, which runs in the project's own environment.

So it needs the standard library, pytest and pytest-benchmark only.
"""
