"""The forward pass in NumPy, in chunks: pixels as floats take eight times the memory, and a chunk's fit a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared.dense_numpy import Dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.image_prediction.problem import Problem, Run

CHUNK = 250


def prepare(problem: Problem) -> Run:
    """Lay out the buffers of a chunk, and those of what is left over."""
    count, pixels = problem.images.shape
    _, rest = divmod(count, CHUNK)
    rooms = {size: (np.empty((size, pixels)), Dense.room(size, problem.weights)) for size in {CHUNK, rest}}

    def run() -> NDArray[np.float64]:
        probabilities = np.empty((count, len(problem.b2)))
        for start in range(0, count, CHUNK):
            chunk = problem.images[start : start + CHUNK]
            x, dense = rooms[len(chunk)]
            np.copyto(x, chunk)
            np.multiply(x, problem.scale, x)
            dense.forward(x, problem.weights)
            dense.softmax()
            probabilities[start : start + CHUNK] = dense.output
        return probabilities

    return run
