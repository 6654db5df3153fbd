"""The article's pure Python: three list comprehensions an epoch.

The order of the operations is the article's too, so that every printed digit of its answer comes out again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Convert the data to lists of Python floats."""
    x, y = problem.x.tolist(), problem.y.tolist()
    step, epochs = problem.step, problem.epochs

    def run() -> NDArray[np.float64]:
        factor = 2 / len(x)
        w = [0.0, 0.0]
        predicted = [0.0] * len(x)
        for _ in range(epochs):
            error = [target - p for target, p in zip(y, predicted, strict=True)]
            gradient = [factor * sum(error), factor * sum([e * xi for e, xi in zip(error, x, strict=True)])]
            w = [wi + step * g for wi, g in zip(w, gradient, strict=True)]
            predicted = [w[0] + w[1] * xi for xi in x]
        return np.array(w)

    return run
