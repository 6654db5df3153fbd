"""What stops a command or a gate and is no defect of ours."""


class PacelineError(Exception):
    """Wrong use, or surroundings in which nothing can be done: one line with cause, values and remedy."""
