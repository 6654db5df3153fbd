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
    from collections.abc import Callable

    from numpy.typing import NDArray

    from impl.fraud_training.problem import Problem, Run

    Floats = NDArray[np.float64]


class Room:
    """The buffers: weights and gradient; what layers give for a batch, each with its row of ones; errors there."""

    def __init__(self, weights: int, size: int) -> None:
        """Lay them out for a number of ``weights`` and batches of ``size`` payments."""
        self.weights, self.gradient = np.empty(weights), np.empty(weights)
        self.given = [np.ones((units + 1, size)) for units in (14, 7, 7)]
        self.made = np.empty((29, size))
        self.errors = [np.empty((units, size)) for units in (14, 7, 7, 29)]


def prepare(problem: Problem) -> Run:
    """Lay the batches out feature by feature, and make the buffers."""
    _, size, features = problem.batches.shape
    padded = np.insert(problem.batches.transpose(0, 2, 1), features, 1, axis=1)
    batches = [(batch, batch[:-1]) for batch in padded]
    rate, epochs, initial = problem.rate, problem.epochs, problem.initial
    room = Room(len(initial), size)
    weights, gradient = room.weights, room.gradient
    forward, backward = forward_in(room), backward_in(room)

    def run() -> NDArray[np.float64]:
        weights[:] = initial
        after = np.empty((epochs, len(initial)))
        scale = np.array(2 * rate / (size * features))
        multiply, subtract = np.multiply, np.subtract
        for epoch in range(epochs):
            for batch, payments in batches:
                forward(batch)
                backward(batch, payments)
                subtract(weights, multiply(gradient, scale, gradient), weights)
            after[epoch] = weights
        return after

    return run


def forward_in(room: Room) -> Callable[[Floats], None]:
    """Return what writes the layers' values for a batch, by the weights as they are then."""
    f1, f2, f3, f4 = (matrix.T for matrix in layers(room.weights, np.reshape))
    h1, h2, h3 = room.given
    v1, v2, v3 = h1[:-1], h2[:-1], h3[:-1]
    made = room.made
    # An array, because NumPy makes one of a Python number in every call.
    zero = np.zeros(())
    matmul, maximum, tanh = np.matmul, np.maximum, np.tanh

    def forward(batch: Floats) -> None:
        tanh(matmul(f1, batch, v1), v1)
        maximum(matmul(f2, h1, v2), zero, out=v2)
        tanh(matmul(f3, h2, v3), v3)
        maximum(matmul(f4, h3, made), zero, out=made)

    return forward


def backward_in(room: Room) -> Callable[[Floats, Floats], None]:
    """Return what writes the gradient at what ``forward`` wrote, whose values it overwrites."""
    _, b2, b3, b4 = (matrix[:-1] for matrix in layers(room.weights, np.reshape))
    g1, g2, g3, g4 = layers(room.gradient, np.reshape)
    h1, h2, h3 = room.given
    v1, v2, v3 = h1[:-1], h2[:-1], h3[:-1]
    made, (e1, e2, e3, e4) = room.made, room.errors
    t1, t2, t3, t4 = e1.T, e2.T, e3.T, e4.T
    one = np.ones(())
    matmul, multiply, subtract, sign = np.matmul, np.multiply, np.subtract, np.sign

    def backward(batch: Floats, payments: Floats) -> None:
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

    return backward
