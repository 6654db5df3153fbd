"""The forward pass in pure Python, one review after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared.dense_python import affine, layers, relu
from impl._shared.text_python import mean, reviews, sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.text_prediction.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Convert reviews to lists of words, and weights to lists of floats."""
    texts = reviews(problem.words.tolist(), problem.starts.tolist())
    table = problem.table.tolist()
    first, second = layers(problem.weights[1:])

    def run() -> NDArray[np.float64]:
        means = (mean([table[word] for word in words]) for words in texts)
        return np.array([sigmoid(affine(relu(affine(x, first)), second)[0]) for x in means])

    return run
