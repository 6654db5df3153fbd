"""Fit ``y = w0 + w1 x`` by full-batch gradient descent on the mean squared error, from zero.

Source of the experiment and of size ``article``: Brad Solomon, "NumPy vs TensorFlow vs pure Python: performance
comparison", Real Python 2018. https://realpython.com/numpy-tensorflow-performance/

The truth needs no iteration and no contender: with ``H = 2/N XᵀX`` and the optimum ``w*``, one step of size ``mu``
maps ``w - w*`` to ``(I - mu H)(w - w*)``, so from zero the k-th iterate is ``w* - (I - mu H)^k w*``.
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

#: size: (points, epochs)
SIZES: dict[str, tuple[int, int]] = {
    "tiny": (50, 30),
    "small": (1_000, 100),
    "article": (10_000, 10_000),
}

#: The contenders that every table compares the others with.
BASELINES = ("article_python", "article_numpy")

#: What a contender does unless it says otherwise by an ``APPROACH`` of its own.
APPROACH = "reads all the data in every epoch"

STEP = 0.001


@dataclass(frozen=True)
class Problem:
    """A line to fit: targets ``y`` at the abscissae ``x``, both ``(points,)`` float64 and read-only."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    step: float
    epochs: int

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        return f"{len(self.x):,} points, {self.epochs:,} epochs"


def make(size: tuple[int, int]) -> Problem:
    """Draw ``size = (points, epochs)``: the article's noisy line ``3 + 2x`` on [0, 2], by the article's seed."""
    points, epochs = size
    noise = 0.1 * np.random.RandomState(444).randn(points)
    x = np.linspace(0, 2, points)
    y = 3 + 2 * x + noise
    x.flags.writeable = y.flags.writeable = False
    return Problem(x, y, STEP, epochs)


def truth(problem: Problem) -> NDArray[np.float64]:
    """Return the last iterate ``(w0, w1)`` in closed form, from correctly rounded sums."""
    x, y = problem.x, problem.y
    n = len(x)
    sum_x, sum_xx = fsum(x), fsum(x * x)
    hessian = 2 / n * np.array([[n, sum_x], [sum_x, sum_xx]])
    optimum = np.linalg.solve(hessian, 2 / n * np.array([fsum(y), fsum(x * y)]))
    eigenvalues, vectors = np.linalg.eigh(hessian)
    remaining = vectors @ np.diag((1 - problem.step * eigenvalues) ** problem.epochs) @ vectors.T
    result: NDArray[np.float64] = optimum - remaining @ optimum
    return result


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:
    """Return how far each weight may be from the truth.

    float64: 1e-9, thousands of times what rounding was seen to do, a ten-thousandth of one epoch's progress at
    the article's size.

    Narrower types: every epoch rounds the weights by at most ``eps/2 |w|``, and as much again in the gradient's
    share; the step then shrinks what earlier epochs left by ``1 - mu h`` (``h`` the smallest curvature, over 0.3
    for x on [0, 2]). That geometric sum is at most ``min(epochs, 1/(mu h))`` roundings of weights below 4, and the
    truth itself is rounded once more.
    """
    if dtype == np.float64:
        return 1e-9
    return float(np.finfo(dtype).eps) * 4 * min(problem.epochs + 1, 1 / (0.3 * problem.step))


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is the last iterate, a float array of shape ``(2,)``."""
    if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f":
        raise AssertionError(f"the answer is {answer!r}, not an array of floats")
    np.testing.assert_allclose(
        answer,
        truth(problem).astype(answer.dtype),
        rtol=0,
        atol=tolerance(problem, answer.dtype),
        strict=True,
        err_msg="the weights after the last epoch are not those of gradient descent",
    )
