"""The closed form for a line in pure Python: four sums and two divisions."""

from __future__ import annotations

from operator import mul
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.least_squares.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Convert the data to lists of Python floats."""
    x, y = problem.x.tolist(), problem.y.tolist()

    def run() -> NDArray[np.float64]:
        n = len(x)
        sum_x, sum_xx = sum(x), sum(map(mul, x, x))
        sum_y, sum_xy = sum(y), sum(map(mul, x, y))
        w1 = (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x)
        return np.array([(sum_y - w1 * sum_x) / n, w1])

    return run
