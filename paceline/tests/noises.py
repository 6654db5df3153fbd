"""Round values as machines give them, drawn with fixed seeds."""

from collections.abc import Callable

import numpy as np
from scipy import stats

Noise = Callable[[np.random.Generator, int], list[float]]


def gaussian(rng: np.random.Generator, rounds: int) -> list[float]:
    """Return what textbooks assume."""
    values: list[float] = rng.normal(0, 0.015, rounds).tolist()
    return values


def heavy_tailed(rng: np.random.Generator, rounds: int) -> list[float]:
    """Return values that have no variance."""
    values: list[float] = (0.01 * rng.standard_t(1.2, rounds)).tolist()
    return values


def bimodal(rng: np.random.Generator, rounds: int) -> list[float]:
    """Return values of processes of which either may be slow for its whole life."""
    slow = 0.5 * (rng.random((2, rounds)) < 0.03)
    values: list[float] = (rng.normal(0, 0.01, rounds) + slow[0] - slow[1]).tolist()
    return values


def autocorrelated(rng: np.random.Generator, rounds: int) -> list[float]:
    """Return sizes that drift together; the coins that we toss stay independent."""
    level = np.cumsum(rng.normal(0, 0.5, rounds))
    values: list[float] = (np.exp(level) * rng.choice([-0.01, 0.01], rounds)).tolist()
    return values


def tied(rng: np.random.Generator, rounds: int) -> list[float]:
    """Return values of a coarse clock: many are equal in size, some are zero."""
    values: list[float] = rng.normal(0.005, 0.015, rounds).round(2).tolist()
    return values


def shifted(values: list[float], shift: float) -> list[float]:
    """Add a slowdown."""
    return [value + shift for value in values]


def monte_carlo_limit(level: float, trials: int) -> float:
    """Count of false alarms that a true rate of `level` exceeds once in a thousand runs."""
    return float(stats.binom.isf(1e-3, trials, level))
