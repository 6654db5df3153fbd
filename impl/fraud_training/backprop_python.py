"""Back-propagation by hand in plain Python: every product of matrices is a table of inner products of lists.

``sum(map(mul, a, b))`` keeps the inner loop out of the interpreter: comprehensions over indices take three times as
long. Biases are kernels' last rows, read by a feature that is always 1, so they need no code of their own.
"""

from __future__ import annotations

from math import tanh
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.autoencoder import layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from impl.fraud_training.problem import Problem, Run

    Rows = Sequence[Sequence[float]]

#: Would take two minutes.
LEAVES_OUT = ("article",)

BIAS = (1.0,)


def forward(payments: Rows, kernels: list[Rows]) -> list[Rows]:
    """Return what every layer reads, a row a payment and each ending in 1, and what the last one gives."""
    values = [(*payment, 1.0) for payment in payments]
    seen: list[Rows] = [values]
    for number, kernel in enumerate(kernels):
        columns = list(zip(*kernel, strict=True))
        end = BIAS if number < len(kernels) - 1 else ()
        if number % 2:
            values = [(*(max(0.0, sum(map(mul, v, c))) for c in columns), *end) for v in values]
        else:
            values = [(*(tanh(sum(map(mul, v, c))) for c in columns), *end) for v in values]
        seen.append(values)
    return seen


def backward(payments: Rows, kernels: list[Rows], scale: float) -> list[Rows]:
    """Return the kernels after a step of size ``scale`` against the sum of squared errors' half gradient."""
    *seen, made = forward(payments, kernels)
    errors = [
        [y - x if y > 0 else 0.0 for y, x in zip(out, payment, strict=True)]
        for out, payment in zip(made, payments, strict=True)
    ]
    stepped: list[Rows] = []
    for number in range(len(kernels) - 1, -1, -1):
        kernel, read = kernels[number], seen[number]
        columns = list(zip(*errors, strict=True))
        stepped.append(
            [
                [w - scale * sum(map(mul, values, column)) for w, column in zip(row, columns, strict=True)]
                for row, values in zip(kernel, zip(*read, strict=True), strict=True)
            ]
        )
        if number % 2:
            errors = [
                [sum(map(mul, e, row)) * (1 - v * v) for row, v in zip(kernel[:-1], values, strict=False)]
                for e, values in zip(errors, read, strict=True)
            ]
        elif number:
            errors = [
                [sum(map(mul, e, row)) if v > 0 else 0.0 for row, v in zip(kernel[:-1], values, strict=False)]
                for e, values in zip(errors, read, strict=True)
            ]
    return stepped[::-1]


def prepare(problem: Problem) -> Run:
    """Convert batches and weights to lists of lists of Python floats."""
    batches = problem.batches.tolist()
    initial = [layer.tolist() for layer in layers(problem.initial, np.reshape)]
    rate, epochs = problem.rate, problem.epochs

    def run() -> NDArray[np.float64]:
        kernels = initial
        after = []
        for _ in range(epochs):
            for batch in batches:
                kernels = backward(batch, kernels, 2 * rate / (len(batch) * len(batch[0])))
            after.append([w for kernel in kernels for row in kernel for w in row])
        return np.array(after)

    return run
