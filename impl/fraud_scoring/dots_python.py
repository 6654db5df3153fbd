"""The network in plain Python, payment by payment: each unit is an inner product, ``sum(map(mul, a, b))``."""

from __future__ import annotations

from math import tanh
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.autoencoder import layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_scoring.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Convert payments to lists, and every layer to a list of units, each its weights with the bias at the end."""
    payments = problem.payments.tolist()
    first, second, third, last = (layer.T.tolist() for layer in layers(problem.weights, np.reshape))

    def run() -> NDArray[np.float64]:
        errors = []
        for payment in payments:
            v = [*payment, 1.0]
            v = [tanh(sum(map(mul, unit, v))) for unit in first]
            v.append(1.0)
            v = [max(0.0, sum(map(mul, unit, v))) for unit in second]
            v.append(1.0)
            v = [tanh(sum(map(mul, unit, v))) for unit in third]
            v.append(1.0)
            made = [max(0.0, sum(map(mul, unit, v))) for unit in last]
            errors.append(sum((y - x) ** 2 for y, x in zip(made, payment, strict=True)) / len(payment))
        return np.array(errors)

    return run
