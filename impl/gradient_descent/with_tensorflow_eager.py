"""Today's TensorFlow as one first writes it: eager operations in a Python loop, in float64 like the data.

Eight operations an epoch, each of which costs tens of microseconds to dispatch, whatever the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Move the data into tensors: rows of ones and of x, ``(2, points)``, and y, ``(points,)``."""
    points, step, epochs = len(problem.x), problem.step, problem.epochs
    rows = tf.constant(np.stack((np.ones(points), problem.x)))
    y = tf.constant(problem.y)

    def run() -> NDArray[np.float64]:
        scale = 2 * step / points
        w = tf.zeros(2, tf.float64)
        for _ in range(epochs):
            error = y - tf.linalg.matvec(rows, w, transpose_a=True)
            w += scale * tf.linalg.matvec(rows, error)
        weights: NDArray[np.float64] = w.numpy()
        return weights

    return run
