"""Fit ``y = w0 + w1 x`` by full-batch gradient descent on the mean squared error, from zero.

Source of the experiment and of size ``article``: Brad Solomon, "NumPy vs TensorFlow vs pure Python: performance
comparison", Real Python 2018. https://realpython.com/numpy-tensorflow-performance/

The truth needs no iteration and no contender: with ``H = 2/N XᵀX`` and the optimum ``w*``, one step of size ``mu``
maps ``w - w*`` to ``(I - mu H)(w - w*)``, so from zero the k-th iterate is ``w* - (I - mu H)^k w*``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from math import fsum
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.problem import require_close

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    #: What a contender's ``prepare(problem)`` returns: no arguments, the weights ``(w0, w1)``.
    Run = Callable[[], NDArray[np.floating]]

    #: Abscissae and targets, both ``(points,)``.
    Chunk = tuple[NDArray[np.float64], NDArray[np.float64]]

#: size: (points, epochs)
SIZES: dict[str, tuple[int, int]] = {
    "tiny": (50, 30),
    "small": (1_000, 100),
    "article": (10_000, 10_000),
    "huge": (100_000_000, 3),
}

#: The sizes whose data are never whole in memory, for contenders that say ``OUT_OF_CORE = True``.
OUT_OF_CORE = ("huge",)

#: How many points are worked on at once where not all of them are.
CHUNK = 1_000_000

#: The contenders that every table compares the others with.
BASELINES = ("article_python", "article_numpy")

#: Two sizes that differ in the data only, by so much that a run's time must show it.
GROWING = (1_000, 4), (1_000_000, 4)

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

    def chunks(self) -> list[Callable[[], Chunk]]:
        """Return what gives the points ``(x, y)``, ``CHUNK`` at a time."""
        starts = range(0, len(self.x), CHUNK)
        return [partial(_part, self.x[start : start + CHUNK], self.y[start : start + CHUNK]) for start in starts]


@dataclass(frozen=True)
class HugeProblem:
    """A line through ``points`` points that exist only a chunk at a time, and are drawn again each time."""

    points: int
    step: float
    epochs: int

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        return f"{self.points:,} points, {self.epochs:,} epochs"

    def chunks(self) -> list[Callable[[], Chunk]]:
        """Return what draws the points ``(x, y)``, ``CHUNK`` at a time; every call draws the same."""
        return [partial(_draw, start, self.points) for start in range(0, self.points, CHUNK)]


def _part(x: NDArray[np.float64], y: NDArray[np.float64]) -> Chunk:
    return x, y


def _draw(start: int, points: int) -> Chunk:
    """Draw the noisy line ``3 + 2x`` at the equidistant points from number ``start``, of ``points`` on [0, 2]."""
    x = 2 * np.arange(start, min(start + CHUNK, points), dtype=np.float64) / (points - 1)
    noise = 0.1 * np.random.default_rng([444, start]).standard_normal(len(x))
    return x, 3 + 2 * x + noise


def noisy_line(points: int) -> Chunk:
    """Draw the article's points, read-only and each array on a cache line.

    NumPy promises 16 bytes only, and what it happens to give moves the time of vectorised loops by half: left to
    chance, that would look like a difference between processes.
    """
    noise = 0.1 * np.random.RandomState(444).randn(points)
    x = aligned(np.linspace(0, 2, points))
    y = aligned(3 + 2 * x + noise)
    x.flags.writeable = y.flags.writeable = False
    return x, y


def aligned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Copy ``values``, shape ``(n,)``, to memory that begins on a cache line of 64 bytes."""
    memory = np.empty(values.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    copy: NDArray[np.float64] = memory[start : start + values.nbytes].view(np.float64)
    copy[:] = values
    return copy


def make(size: tuple[int, int]) -> Problem | HugeProblem:
    """Draw ``size = (points, epochs)``: the article's noisy line ``3 + 2x`` on [0, 2], by the article's seed."""
    points, epochs = size
    if size in [SIZES[name] for name in OUT_OF_CORE]:
        return HugeProblem(points, STEP, epochs)
    return Problem(*noisy_line(points), STEP, epochs)


def truth(problem: Problem | HugeProblem) -> NDArray[np.float64]:
    """Return the last iterate ``(w0, w1)`` in closed form, from sums that are correctly rounded, chunk by chunk."""
    sums = np.array([_sums(*chunk()) for chunk in problem.chunks()])
    n, sum_x, sum_xx, sum_y, sum_xy = (fsum(column) for column in sums.T)
    hessian = 2 / n * np.array([[n, sum_x], [sum_x, sum_xx]])
    optimum = np.linalg.solve(hessian, 2 / n * np.array([sum_y, sum_xy]))
    eigenvalues, vectors = np.linalg.eigh(hessian)
    remaining = vectors @ np.diag((1 - problem.step * eigenvalues) ** problem.epochs) @ vectors.T
    result: NDArray[np.float64] = optimum - remaining @ optimum
    return result


def _sums(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[float]:
    """Return the count and the sums of x, x², y and xy."""
    return [len(x), fsum(x), fsum(x * x), fsum(y), fsum(x * y)]


def tolerance(problem: Problem | HugeProblem, dtype: np.dtype[np.floating]) -> float:
    """Return how far each weight may be from the truth.

    float64: 1e-9, thousands of times what rounding was seen to do, a ten-thousandth of one epoch's progress at
    the article's size.

    float32: every epoch rounds weights below 4 by up to ``eps`` times that, and the step shrinks what earlier epochs
    left by ``1 - mu h`` (``h`` the smallest curvature, over 0.3 for x on [0, 2]). Roundings come in both directions,
    so they add up as a random walk of ``min(epochs, 1/(2 mu h))`` steps does, to its square root; four times that.
    At the article's size it is seven epochs' progress, and seventeen times what TensorFlow's published answer is off.
    """
    if dtype == np.float64:
        return 1e-9
    steps = min(problem.epochs + 1, 1 / (2 * 0.3 * problem.step))
    return 4 * float(np.finfo(dtype).eps) * 4 * math.sqrt(steps)


def check(problem: Problem | HugeProblem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is the last iterate, a float array of shape ``(2,)``."""
    require_close(
        answer,
        truth(problem),
        partial(tolerance, problem),
        "the weights after the last epoch are not those of gradient descent",
    )
