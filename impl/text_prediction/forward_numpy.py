"""The forward pass in NumPy: the means review by review, the dense layers on all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared.dense_numpy import Dense
from impl._shared.text_numpy import mean_into

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.text_prediction.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Cut the reviews apart and lay out the buffers."""
    texts = np.split(problem.words, problem.starts[1:-1])
    width, longest = problem.table.shape[1], max(map(len, texts))
    dense = Dense.room(len(texts), problem.weights[1:])
    ones, vectors, means = np.ones(longest), np.empty((longest, width)), np.empty((len(texts), width))

    def run() -> NDArray[np.float64]:
        mean_into(means, problem.table, texts, ones, vectors)
        dense.forward(means, problem.weights[1:])
        dense.sigmoid()
        return dense.output[:, 0].copy()

    return run
