"""Fit ``y = w0 + w1 x`` by least squares at once: what gradient descent on the same data converges to.

Source of size ``article``: Brad Solomon, "NumPy vs TensorFlow vs pure Python: performance comparison", Real
Python 2018, where the pseudo-inverse gives the line to compare the descent with.
https://realpython.com/numpy-tensorflow-performance/

The truth is the optimality condition: a line is the best one exactly when its residual is orthogonal to the ones
and to ``x``. Where it is not, the normal equations turn what is left over into the error of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import fsum
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.problem import require_close, require_floats
from impl.gradient_descent.problem import noisy_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    #: What a contender's ``prepare(problem)`` returns: no arguments, the weights ``(w0, w1)``.
    Run = Callable[[], NDArray[np.floating]]

#: size: (points,)
SIZES: dict[str, tuple[int]] = {
    "tiny": (50,),
    "small": (1_000,),
    "article": (10_000,),
    "large": (1_000_000,),
}

#: The contenders that every table compares the others with.
BASELINES = ("sums_python", "pinv_numpy")

#: Two sizes that differ in the data only, by so much that a run's time must show it.
GROWING = (1_000,), (4_000_000,)

#: What a contender does unless it says otherwise by an ``APPROACH`` of its own.
APPROACH = "takes singular values"

#: Beyond this the sums of the truth would overflow.
HUGE = 1e100


@dataclass(frozen=True)
class Problem:
    """A line to fit: targets ``y`` at the abscissae ``x``, both ``(points,)`` float64 and read-only."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        return f"{len(self.x):,} points"


def make(size: tuple[int]) -> Problem:
    """Draw ``size = (points,)``: the article's noisy line ``3 + 2x`` on [0, 2], by the article's seed."""
    return Problem(*noisy_line(*size))


def truth(problem: Problem, answer: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the optimal weights: ``answer``, any finite weights ``(w0, w1)``, moved by what its residual leaves.

    The sums are correctly rounded, and one step from a nearby answer loses nothing to cancellation.
    """
    x, y = problem.x, problem.y
    w0, w1 = (float(w) for w in answer)
    residual = y - w0 - w1 * x
    normal = np.array([[len(x), fsum(x)], [fsum(x), fsum(x * x)]])
    step: NDArray[np.float64] = np.linalg.solve(normal, np.array([fsum(residual), fsum(residual * x)]))
    return np.array([w0, w1]) + step


def tolerance(_: Problem, dtype: np.dtype[np.floating]) -> float:
    """Return how far each weight may be from the truth.

    The normal matrix of x on [0, 2] has a condition number of 14 and the weights are below 4, so rounding moves
    them by some hundred ``eps``, which naive summation over 1e6 points may multiply by a thousand: 1e-11. 1e-9
    leaves room above that in float64. In float32 a contender has to sum better: a thousand ``eps``.
    """
    return 1e-9 if dtype == np.float64 else 1000 * float(np.finfo(dtype).eps)


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is the best line, a float array of shape ``(2,)``."""
    weights = require_floats(answer)
    if weights.shape != (2,) or not (np.abs(weights.astype(np.float64)) < HUGE).all():
        raise AssertionError(f"the answer is {weights}, not two finite weights")
    wrong = "the residual of this line is not orthogonal to the data"
    require_close(weights, truth(problem, weights), partial(tolerance, problem), wrong)
