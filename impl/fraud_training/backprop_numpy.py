"""Back-propagation by hand, without an allocation in the loop: every result goes to a buffer made beforehand.

A batch stands feature by feature, ``(30, payments)``, its last row ones: so the bias is the kernel's last row and
costs no call of its own, and what layers give without that row is still one block of memory, over which tanh and
relu run without a stop. All weights are one vector, and so a step is one multiplication and one subtraction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared.autoencoder import layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_training.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Lay the batches out feature by feature, and make the buffers."""
    _, size, features = problem.batches.shape
    padded = np.insert(problem.batches.transpose(0, 2, 1), features, 1, axis=1)
    batches = [(batch, batch[:-1]) for batch in padded]
    rate, epochs, initial = problem.rate, problem.epochs, problem.initial
    # What the layers give, each with its row of ones, and the errors there.
    h1, h2, h3 = np.ones((15, size)), np.ones((8, size)), np.ones((8, size))
    made = np.empty((29, size))
    e1, e2, e3, e4 = np.empty((14, size)), np.empty((7, size)), np.empty((7, size)), np.empty((29, size))
    # As arrays, because NumPy makes one of a Python number in every call.
    zero, one = np.zeros(()), np.ones(())

    def run() -> NDArray[np.float64]:
        weights, gradient = initial.copy(), np.empty_like(initial)
        after = np.empty((epochs, len(initial)))
        scale = np.array(2 * rate / (size * features))
        w1, w2, w3, w4 = layers(weights, np.reshape)
        g1, g2, g3, g4 = layers(gradient, np.reshape)
        f1, f2, f3, f4 = w1.T, w2.T, w3.T, w4.T
        b2, b3, b4 = w2[:-1], w3[:-1], w4[:-1]
        v1, v2, v3 = h1[:-1], h2[:-1], h3[:-1]
        t1, t2, t3, t4 = e1.T, e2.T, e3.T, e4.T
        matmul, multiply, subtract, maximum, tanh, sign = (
            np.matmul,
            np.multiply,
            np.subtract,
            np.maximum,
            np.tanh,
            np.sign,
        )
        for epoch in range(epochs):
            for batch, payments in batches:
                tanh(matmul(f1, batch, v1), v1)
                maximum(matmul(f2, h1, v2), zero, out=v2)
                tanh(matmul(f3, h2, v3), v3)
                maximum(matmul(f4, h3, made), zero, out=made)

                # What relu gave is not negative: its sign is its derivative.
                subtract(made, payments, e4)
                multiply(e4, sign(made, made), e4)
                matmul(h3, t4, g4)

                matmul(b4, e4, e3)
                multiply(v3, v3, v3)
                multiply(e3, subtract(one, v3, v3), e3)
                matmul(h2, t3, g3)

                matmul(b3, e3, e2)
                multiply(e2, sign(v2, v2), e2)
                matmul(h1, t2, g2)

                matmul(b2, e2, e1)
                multiply(v1, v1, v1)
                multiply(e1, subtract(one, v1, v1), e1)
                matmul(batch, t1, g1)

                subtract(weights, multiply(gradient, scale, gradient), weights)
            after[epoch] = weights
        return after

    return run
