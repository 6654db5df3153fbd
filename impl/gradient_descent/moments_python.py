"""The same iterates from the sufficient statistics, in pure Python.

The gradient depends on the data only through the sums of x, x², y and xy: read the points once, and an epoch is
eight multiplications and additions however many points there are. No backend makes up for not seeing that.
"""

from __future__ import annotations

from operator import mul
from typing import TYPE_CHECKING

from impl.gradient_descent._moments import APPROACH, descend

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run

__all__ = ["APPROACH", "prepare"]


def prepare(problem: Problem) -> Run:
    """Convert the data to lists of Python floats."""
    x, y = problem.x.tolist(), problem.y.tolist()
    step, epochs = problem.step, problem.epochs

    def run() -> NDArray[np.float64]:
        sums = sum(x), sum(map(mul, x, x)), sum(y), sum(map(mul, x, y))
        return descend(sums, len(x), step, epochs)

    return run
