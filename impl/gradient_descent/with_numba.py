"""The fused loop, compiled by Numba: what the hardware can do from Python when nothing is stored on the way.

``fastmath`` lets LLVM reorder the two sums and so use vector registers; it stays within the float64 tolerance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run


@njit(fastmath=True)
def descend(x: NDArray[np.float64], y: NDArray[np.float64], step: float, epochs: int) -> tuple[float, float]:
    """Return ``(w0, w1)`` after ``epochs`` steps over ``x`` and ``y``, both ``(points,)``."""
    scale = 2 * step / len(x)
    w0 = w1 = 0.0
    for _ in range(epochs):
        sum_e = sum_ex = 0.0
        for i in range(len(x)):
            e = y[i] - w0 - w1 * x[i]
            sum_e += e
            sum_ex += e * x[i]
        w0 += scale * sum_e
        w1 += scale * sum_ex
    return w0, w1


def prepare(problem: Problem) -> Run:
    """Take the arrays as they are; the first run compiles."""

    def run() -> NDArray[np.float64]:
        return np.array(descend(problem.x, problem.y, problem.step, problem.epochs))

    return run
