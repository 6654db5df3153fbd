"""The network in plain Python, payment by payment: each unit is an inner product, ``sum(map(mul, a, b))``."""

from __future__ import annotations

from math import tanh
from operator import mul, sub
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.autoencoder import layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_scoring.problem import Problem, Run

    Units = list[list[float]]


def units(weights: NDArray[np.float64]) -> list[Units]:
    """Convert every layer to a list of units, each its weights with the bias at the end."""
    return [layer.T.tolist() for layer in layers(weights, np.reshape)]


def error(payment: list[float], first: Units, second: Units, third: Units, last: Units) -> float:
    """Return the mean squared error of the reconstruction of ``payment``."""
    v = [*payment, 1.0]
    v = [tanh(sum(map(mul, unit, v))) for unit in first]
    v.append(1.0)
    v = [max(0.0, sum(map(mul, unit, v))) for unit in second]
    v.append(1.0)
    v = [tanh(sum(map(mul, unit, v))) for unit in third]
    v.append(1.0)
    made = [max(0.0, sum(map(mul, unit, v))) for unit in last]
    differences: map[float] = map(sub, made, payment)
    return sum(each * each for each in differences) / len(payment)


def prepare(problem: Problem) -> Run:
    """Convert payments and layers to lists."""
    payments, network = problem.payments.tolist(), units(problem.weights)

    def run() -> NDArray[np.float64]:
        return np.array([error(payment, *network) for payment in payments])

    return run
