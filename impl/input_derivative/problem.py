"""Differentiate all outputs of a network with respect to a few of its inputs, for every row of a batch.

The user's case, and size ``article``: 9 inputs, 4000 outputs, and the derivative by one or two of the inputs is
wanted without training further networks. Hidden layers are dense and tanh, the output layer is dense and linear.

The truth is the complex step: ``Im f(x + i h e_j) / h`` has no difference in it that could cancel, so ``h`` may be so
small that ``h^2`` is nothing beside 1, and the derivative is exact to rounding. Source: William Squire and George
Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998), 110-112.
https://doi.org/10.1137/S003614459631241X
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.problem import require_close

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    #: What a contender's ``prepare(problem)`` returns: no arguments, ``dY/dX_j``, ``(derivatives, batch, outputs)``,
    #: the derivatives in the order of ``wrt``.
    Run = Callable[[], NDArray[np.floating]]

#: size: (inputs, units of each of the two hidden layers, outputs, batch, derivatives)
SIZES: dict[str, tuple[int, int, int, int, int]] = {
    "tiny": (4, 6, 7, 3, 2),
    "small": (9, 128, 100, 4, 2),
    "article": (9, 128, 4_000, 64, 2),
}

#: The contenders that every table compares the others with.
BASELINES = ("forward_python", "forward_numpy")

#: What a contender does unless it says otherwise by an ``APPROACH`` of its own.
APPROACH = "pushes a tangent per input forward (forward mode)"


@dataclass(frozen=True)
class Problem:
    """A batch ``x`` ``(batch, inputs)``, the layers' weights and biases, the inputs to differentiate by.

    ``w1`` ``(inputs, units)`` and ``b1`` ``(units,)`` to ``w3`` ``(units, outputs)`` and ``b3`` ``(outputs,)``, all
    float64; ``wrt`` ``(derivatives,)`` int64 names distinct columns of ``x``. All are read-only.
    """

    x: NDArray[np.float64]
    w1: NDArray[np.float64]
    b1: NDArray[np.float64]
    w2: NDArray[np.float64]
    b2: NDArray[np.float64]
    w3: NDArray[np.float64]
    b3: NDArray[np.float64]
    wrt: NDArray[np.int64]

    @property
    def layers(self) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
        """The weights and the bias of each layer, from the input to the output."""
        return (self.w1, self.b1), (self.w2, self.b2), (self.w3, self.b3)

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        widths = "-".join(map(str, (self.x.shape[1], *(len(bias) for _, bias in self.layers))))
        return f"{widths}, batch of {len(self.x)}, by {len(self.wrt)} input{'s' if len(self.wrt) > 1 else ''}"


def make(size: tuple[int, int, int, int, int]) -> Problem:
    """Draw inputs of unit variance and weights that keep it (variance 1 / fan-in), so that no unit saturates."""
    inputs, units, outputs, batch, derivatives = size
    rng = np.random.default_rng(9)
    x = rng.standard_normal((batch, inputs))
    w1, w2, w3 = (
        rng.standard_normal((into, out)) / np.sqrt(into)
        for into, out in ((inputs, units), (units, units), (units, outputs))
    )
    b1, b2, b3 = (0.1 * rng.standard_normal(out) for out in (units, units, outputs))
    wrt = rng.permutation(inputs)[:derivatives]
    for array in (x, w1, b1, w2, b2, w3, b3, wrt):
        array.flags.writeable = False
    return Problem(x, w1, b1, w2, b2, w3, b3, wrt)


def truth(problem: Problem) -> NDArray[np.float64]:
    """Return ``(derivatives, batch, outputs)`` by the complex step."""
    h = 1e-30
    derivatives = []
    for j in problem.wrt:
        z = problem.x.astype(complex)
        z[:, j] += 1j * h
        z = np.tanh(z @ problem.w1 + problem.b1)
        z = np.tanh(z @ problem.w2 + problem.b2)
        derivatives.append((z @ problem.w3).imag / h)
    return np.stack(derivatives)


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:
    """Return how far each derivative may be from the truth.

    float64: 1e-9. Central differences are the worst of the honest ways: with their best step, about the cube root of
    ``eps``, they lose a third of the digits, which is a few times ``eps^(2/3)`` = 4e-11 for outputs and third
    derivatives near 1. Every other way loses to rounding less than the bound below, 2e-12 at the article's size.

    float32: a derivative is a sum of products over all paths through the network. The magnitudes of those
    sum to at most ``|w1[j]| |w2| |w3|``, because no slope of tanh exceeds 1, and each is rounded about once for
    every term of the longest chain of sums and some ten times on the way.
    """
    if dtype == np.float64:
        return 1e-9
    paths = np.abs(problem.w1[problem.wrt]) @ np.abs(problem.w2) @ np.abs(problem.w3)
    roundings = sum(len(weights) for weights, _ in problem.layers) + 10
    return float(np.finfo(dtype).eps * roundings * paths.max())


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is the derivative, a float array as ``Run`` tells."""
    require_close(
        answer, truth(problem), partial(tolerance, problem), "the outputs do not change with the inputs at this rate"
    )
