"""CuPy: NumPy's expressions on a GPU, each a kernel that Python launches.

The weights stay on the device until the last epoch, since to read one would wait for it. The data are three rows, y,
1 and x, as in ``with_tensorflow``, so that an epoch is two products and a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cupy as cp
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Move the data to the device, as rows ``(3, points)``."""
    rows = cp.asarray(np.stack((problem.y, np.ones_like(problem.x), problem.x)))
    columns, points = rows.T, len(problem.x)
    step, epochs = problem.step, problem.epochs

    def run() -> NDArray[np.float64]:
        scale = cp.asarray(np.array([0.0, 2 * step / points, 2 * step / points]))
        c = cp.asarray(np.array([1.0, 0.0, 0.0]))
        for _ in range(epochs):
            c = c - scale * (rows @ (columns @ c))
        weights: NDArray[np.float64] = cp.asnumpy(-c[1:])  # waits for the device
        return weights

    return run
