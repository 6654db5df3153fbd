"""The dense layers that the classifiers of images and of texts end in, by NumPy, forward and back by hand.

Every result is written into a buffer that the caller owns: on batches as small as these, an allocation costs as much
as the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Dense:
    """Room for a batch on its way through two dense layers and back.

    ``hidden`` is ``(batch, hidden)``, ``output`` ``(batch, outputs)``, ``row`` ``(batch, 1)``.
    """

    hidden: Floats
    output: Floats
    row: Floats
    idle: NDArray[np.bool]
    back: Floats
    gradients: tuple[Floats, Floats, Floats, Floats]

    @staticmethod
    def room(batch: int, weights: Sequence[Floats]) -> Dense:
        """Lay out the buffers for batches of the size ``batch``; the values of ``weights`` are not read."""
        w1, _, w2, _ = weights
        hidden, outputs = w2.shape
        return Dense(
            np.empty((batch, hidden)),
            np.empty((batch, outputs)),
            np.empty((batch, 1)),
            np.empty((batch, hidden), np.bool),
            np.empty((batch, hidden)),
            (np.empty_like(w1), np.empty(hidden), np.empty_like(w2), np.empty(outputs)),
        )

    def forward(self, x: Floats, weights: Sequence[Floats]) -> None:
        """Write the outputs for ``x``, ``(batch, inputs)``, before their softmax or sigmoid."""
        w1, b1, w2, b2 = weights
        np.matmul(x, w1, self.hidden)
        np.add(self.hidden, b1, self.hidden)
        np.maximum(self.hidden, 0, out=self.hidden)
        np.matmul(self.hidden, w2, self.output)
        np.add(self.output, b2, self.output)

    def softmax(self) -> None:
        """Make probabilities of the outputs; the largest is subtracted first, so that no power overflows."""
        np.amax(self.output, 1, self.row, True)
        np.subtract(self.output, self.row, self.output)
        np.exp(self.output, self.output)
        np.sum(self.output, 1, None, self.row, True)
        np.divide(self.output, self.row, self.output)

    def sigmoid(self) -> None:
        """Make probabilities of the outputs, by a hyperbolic tangent because that overflows nowhere."""
        np.multiply(self.output, 0.5, self.output)
        np.tanh(self.output, self.output)
        np.add(self.output, 1, self.output)
        np.multiply(self.output, 0.5, self.output)

    def backward(self, x: Floats, weights: Sequence[Floats]) -> None:
        """Write the gradients by ``weights``, and in ``back`` that by the hidden layer before its ReLU.

        Takes the gradient of the loss by the outputs from ``output``. Times ``w1.T``, ``back`` is that by ``x``.
        """
        w2 = weights[2]
        g1, h1, g2, h2 = self.gradients
        np.matmul(self.output, w2.T, self.back)
        np.less_equal(self.hidden, 0, self.idle)
        # Multiplying by booleans would allocate a buffer in order to cast them.
        np.copyto(self.back, 0, where=self.idle)
        np.matmul(x.T, self.back, g1)
        np.sum(self.back, 0, None, h1)
        np.matmul(self.hidden.T, self.output, g2)
        np.sum(self.output, 0, None, h2)

    def step(self, weights: Sequence[Floats]) -> None:
        """Subtract from ``weights`` the gradients that ``backward`` wrote, which the step size is a factor of."""
        for values, gradient in zip(weights, self.gradients, strict=True):
            np.subtract(values, gradient, values)
