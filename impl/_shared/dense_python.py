"""The dense layers that the classifiers of images and of texts end in, in pure Python.

Layers are tuples ``(columns, bias)``, a list of floats for every unit, so that a unit's value is one inner product
``sum(map(mul, ...))``.
"""

from __future__ import annotations

from math import exp
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Layer = tuple[list[list[float]], list[float]]


def layers(weights: Sequence[NDArray[np.float64]]) -> tuple[Layer, Layer]:
    """Convert ``w1, b1, w2, b2`` to two layers of lists."""
    w1, b1, w2, b2 = weights
    return (w1.T.tolist(), b1.tolist()), (w2.T.tolist(), b2.tolist())


def arrays(network: Iterable[Layer]) -> tuple[NDArray[np.float64], ...]:
    """Convert layers back to ``w1, b1, w2, b2``."""
    return tuple(np.array(part).T.copy() for layer in network for part in layer)


def affine(x: list[float], layer: Layer) -> list[float]:
    """Return the layer's values at ``x``, before any ReLU."""
    return [sum(map(mul, column, x), bias) for column, bias in zip(*layer, strict=True)]


def relu(values: list[float]) -> list[float]:
    """Return ``values`` with zero for what is negative."""
    return [value if value > 0 else 0.0 for value in values]


def softmax(logits: list[float]) -> list[float]:
    """Return probabilities; the largest logit is subtracted first, so that no power overflows."""
    top = max(logits)
    powers = [exp(logit - top) for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]


def back(errors: list[list[float]], layer: Layer, hidden: list[list[float]]) -> list[list[float]]:
    """Return the gradient by the ReLU's argument from that by the outputs of ``layer``, which reads ``hidden``."""
    rows = list(zip(*layer[0], strict=True))
    return [
        [sum(map(mul, row, error)) if value > 0 else 0.0 for row, value in zip(rows, values, strict=True)]
        for error, values in zip(errors, hidden, strict=True)
    ]


def stepped(layer: Layer, inputs: list[list[float]], errors: list[list[float]]) -> Layer:
    """Return ``layer`` less its gradient: ``errors``, of which the step size is a factor, by ``inputs``.

    Goes unit by unit, and of the batch takes only where the unit's error is not zero, which ReLU halves.
    """
    columns, bias = [], []
    for column, start, unit in zip(*layer, zip(*errors, strict=True), strict=True):
        moved = column
        for error, x in zip(unit, inputs, strict=True):
            if error:
                moved = [weight - error * value for weight, value in zip(moved, x, strict=True)]
        columns.append(moved)
        bias.append(start - sum(unit))
    return columns, bias
