"""Fit ``y = w0 + w1 x`` by least squares at once: what gradient descent on the same data converges to.

Source of size ``article``: Brad Solomon, "NumPy vs TensorFlow vs pure Python: performance comparison", Real
Python 2018, where the pseudo-inverse gives the line to compare the descent with.
https://realpython.com/numpy-tensorflow-performance/

The truth is the optimality condition: a line is the best one exactly when its residual is orthogonal to the ones
and to ``x``. Where it is not, the normal equations turn what is left over into the error of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

import numpy as np

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

#: What a contender does unless it says otherwise by an ``APPROACH`` of its own.
APPROACH = "solves for the line at once"


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
    (points,) = size
    noise = 0.1 * np.random.RandomState(444).randn(points)
    x = np.linspace(0, 2, points)
    y = 3 + 2 * x + noise
    x.flags.writeable = y.flags.writeable = False
    return Problem(x, y)


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
    leaves room above that in float64, and narrower types get as many ``eps``.
    """
    return 1e-9 * float(np.finfo(dtype).eps / np.finfo(np.float64).eps)


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is the best line, a float array of shape ``(2,)``."""
    if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f":
        raise AssertionError(f"the answer is {answer!r}, not an array of floats")
    if answer.shape != (2,) or not np.isfinite(answer).all():
        raise AssertionError(f"the answer is {answer!r}, not two finite weights")
    np.testing.assert_allclose(
        answer,
        truth(problem, answer).astype(answer.dtype),
        rtol=0,
        atol=tolerance(problem, answer.dtype),
        strict=True,
        err_msg="the residual of this line is not orthogonal to the data",
    )
