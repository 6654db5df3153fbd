"""Back-propagation by hand in NumPy, every array of the inner loop laid out beforehand.

The step size is a factor of the error that goes back, ``(batch, classes)``, and so of every gradient: that is the
smallest array to multiply. Targets are rows of ones and zeros, since a row can be fetched without allocating.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared.dense_numpy import Dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.image_training.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Lay out the buffers of a batch."""
    batch, pixels = problem.order.shape[1], problem.images.shape[1]
    dense = Dense.room(batch, problem.weights)
    fetched, x = np.empty((batch, pixels), np.uint8), np.empty((batch, pixels))
    labels, wanted = np.empty(batch, np.int64), np.empty_like(dense.output)

    def run() -> tuple[NDArray[np.float64], ...]:
        weights = tuple(values.copy() for values in problem.weights)
        targets = np.eye(wanted.shape[1])
        scale, step = problem.scale, problem.step / batch
        for rows in problem.order:
            # With the default mode, take() would allocate in order to leave the buffer alone on errors.
            problem.images.take(rows, 0, fetched, "clip")
            np.copyto(x, fetched)
            np.multiply(x, scale, x)
            dense.forward(x, weights)
            dense.softmax()
            problem.labels.take(rows, 0, labels, "clip")
            targets.take(labels, 0, wanted, "clip")
            np.subtract(dense.output, wanted, dense.output)
            np.multiply(dense.output, step, dense.output)
            dense.backward(x, weights)
            dense.step(weights)
        return weights

    return run
