"""The same iterates from the sufficient statistics, with NumPy for the one pass over the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impl.gradient_descent._moments import APPROACH, descend

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run

__all__ = ["APPROACH", "prepare"]


def prepare(problem: Problem) -> Run:
    """Take the arrays as they are."""
    x, y = problem.x, problem.y
    step, epochs = problem.step, problem.epochs

    def run() -> NDArray[np.float64]:
        sums = float(x.sum()), float(x @ x), float(y.sum()), float(x @ y)
        return descend(sums, len(x), step, epochs)

    return run
