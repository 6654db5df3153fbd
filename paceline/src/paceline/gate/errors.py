"""What stops a gate."""


class GateError(Exception):
    """Wrong use, or surroundings in which nothing can be judged: one line with cause, values and remedy."""
