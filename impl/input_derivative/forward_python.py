"""Dual numbers in pure Python: every hidden value carries its tangents along.

A class that overloads arithmetic would show the idea better and take several times as long. Here a dual vector is a
list of values and a list of tangents, and a layer is sums of products of lists. The output layer is linear and pushes
tangents alone, as in ``forward_numpy``.
"""

from __future__ import annotations

from math import tanh
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from impl.input_derivative.problem import Problem, Run

    #: Values, and one list of tangents for every input to differentiate by.
    Dual = tuple[list[float], list[list[float]]]


def push(columns: list[list[float]], vector: Sequence[float]) -> list[float]:
    """Return ``vector`` times the matrix of these ``columns``."""
    return [sum(map(mul, vector, column)) for column in columns]


def dense_tanh(columns: list[list[float]], bias: list[float], dual: Dual) -> Dual:
    """Return ``tanh(values w + bias)`` and its tangents, which the slope ``1 - tanh^2`` scales."""
    values, tangents = dual
    h = [tanh(sum_ + b) for sum_, b in zip(push(columns, values), bias, strict=True)]
    slopes = [1 - value * value for value in h]
    return h, [list(map(mul, slopes, push(columns, tangent))) for tangent in tangents]


def prepare(problem: Problem) -> Run:
    """Convert to lists of Python floats: rows of the batch, columns of the weights, a unit vector for each input."""
    x = problem.x.tolist()
    *hidden, (last, _) = [(weights.T.tolist(), bias.tolist()) for weights, bias in problem.layers]
    seeds = np.eye(problem.x.shape[1])[problem.wrt].tolist()

    def run() -> NDArray[np.float64]:
        rows = []
        for row in x:
            dual = row, seeds
            for columns, bias in hidden:
                dual = dense_tanh(columns, bias, dual)
            rows.append([push(last, tangent) for tangent in dual[1]])
        return np.stack(rows, axis=1)

    return run
