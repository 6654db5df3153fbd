"""The Jacobian-vector product by hand: values and tangents of the hidden layers, then tangents alone.

The output layer is linear, so its tangents do not need its values: that product, nearly all of a forward pass, is
spent on the derivative instead, and the derivative by one input costs about what the outputs themselves cost. The
first tangent is a unit vector, and a unit vector times ``w1`` is a row of ``w1``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.input_derivative.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Take the arrays as they are."""
    x, wrt = problem.x, problem.wrt
    (w1, b1), (w2, b2), (w3, _) = problem.layers

    def run() -> NDArray[np.float64]:
        h1 = np.tanh(x @ w1 + b1)
        h2 = np.tanh(h1 @ w2 + b2)
        # The tangents of all inputs stand below one another, (derivatives * batch, units), for one product a layer.
        t1 = ((1 - h1 * h1) * w1[wrt, None]).reshape(-1, h1.shape[1])
        t2 = (t1 @ w2).reshape(len(wrt), *h2.shape)
        t2 *= 1 - h2 * h2
        t3: NDArray[np.float64] = t2.reshape(t1.shape) @ w3
        return t3.reshape(len(wrt), len(x), -1)

    return run
