"""One process of a pair, in a project's own environment. Standard library, pytest and pytest-benchmark only."""
