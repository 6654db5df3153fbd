"""Every output's gradient by back-propagation, stacked: what frameworks do when they are asked for a Jacobian.

A vector-Jacobian product gives one output's derivatives by all inputs, so it has to be taken once for each of the
outputs, and what is not wanted cannot be left out. All outputs of a row of the batch go back together, as one matrix
``(outputs, units)``, in buffers that are used again. The product with ``w2`` is nearly all of the time, and outputs /
derivatives times as many operations as forward mode spends on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.input_derivative.problem import Problem, Run

APPROACH = "pulls a cotangent per output back (reverse mode)"


def prepare(problem: Problem) -> Run:
    """Take the arrays as they are, transposed for the way back."""
    x, wrt = problem.x, problem.wrt
    (w1, b1), (w2, b2), (w3, _) = problem.layers
    back1, back2, back3 = w1.T, w2.T, np.ascontiguousarray(w3.T)
    shape = len(wrt), len(x), len(back3)

    def run() -> NDArray[np.float64]:
        derivatives = np.empty(shape)
        h1 = np.tanh(x @ w1 + b1)
        h2 = np.tanh(h1 @ w2 + b2)
        slopes = zip(1 - h1 * h1, 1 - h2 * h2, strict=True)
        cotangents2, cotangents1 = np.empty_like(back3), np.empty_like(back3)
        for row, (slope1, slope2) in enumerate(slopes):
            np.multiply(back3, slope2, out=cotangents2)
            np.matmul(cotangents2, back2, out=cotangents1)
            cotangents1 *= slope1
            derivatives[:, row] = (cotangents1 @ back1[:, wrt]).T
        return derivatives

    return run
