"""Score payments by how badly a trained autoencoder reconstructs them: the higher the error, the likelier a fraud.

Source: the notebook named in ``impl/fraud_training/problem.py``, which scores the 56,962 payments that it did not
train on (size ``article``) by the mean squared error over their features. Network and payments are as there.

The weights are not trained but constructed, so that making the problem takes no time and no contender's code: they
are the principal component analysis of 2,000 normal payments, written as that autoencoder. Each of the 7 strongest
components goes with both signs into the 14 tanh units, kept small so that tanh is nearly linear; the relu units take
half the difference and add 1, and so never reach their kink; the 7 tanh units take the 1 off again; the last layer
scales up and rotates back. Linear autoencoders have no better weights than these (Baldi and Hornik, "Neural networks
and principal component analysis", Neural Networks 2, 1989), and frauds are told apart as well as by a trained one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.problem import require_close
from impl.fraud_training.problem import FEATURES, SHAPES, auc, draw_correlations, draw_frauds, draw_normal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    #: What a contender's ``prepare(problem)`` returns: no arguments, the mean squared error of reconstruction of each
    #: payment, shape ``(payments,)``.
    Run = Callable[[], NDArray[np.floating]]

#: size: (payments,)
SIZES: dict[str, tuple[int]] = {"tiny": (20,), "small": (256,), "article": (56_962,)}

BASELINES = ("dots_python", "blocks_numpy")

APPROACH = "reconstructs every payment"

UNIT = "payments"

#: The share of frauds in the real data, and the least number, so that even a small problem has some.
FRAUD_SHARE, LEAST_FRAUDS = 492 / 284_807, 5

COMPONENTS = 7

#: The scale of what enters tanh: components have standard deviations of about 1.
SCALE = 0.125


@dataclass(frozen=True, eq=False)
class Problem:
    """Payments to score, ``(payments, 29)``, and weights to do it with, ``(813,)``; float64 and read-only.

    ``weights`` are for each layer the kernel, row by row, and the bias. ``fraud``, bool, is for judging scores only.
    """

    payments: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    weights: NDArray[np.float64]

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        return f"{len(self.payments):,} payments, {self.fraud.sum()} of them frauds"

    @property
    def units(self) -> int:
        """The number of payments."""
        return len(self.payments)


def principal_weights(payments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights ``(813,)`` that do to a payment what the principal components of ``payments`` do."""
    mean = payments.mean(0)
    _, vectors = np.linalg.eigh(np.cov(payments, rowvar=False))
    strongest = vectors[:, -COMPONENTS:]
    both = SCALE * np.hstack((strongest, -strongest))
    identity = np.eye(COMPONENTS)
    layers = (
        (both, -mean @ both),
        (np.vstack((identity, -identity)) / 2, np.ones(COMPONENTS)),
        (identity, -np.ones(COMPONENTS)),
        (strongest.T / SCALE, mean),
    )
    return np.concatenate([array.ravel() for layer in layers for array in layer])


def make(size: tuple[int]) -> Problem:
    """Draw ``size = (payments,)``, frauds among them at random places."""
    (count,) = size
    rng = np.random.default_rng(492)
    mixing = draw_correlations(rng)
    weights = principal_weights(draw_normal(rng, mixing, 2_000))
    frauds = max(LEAST_FRAUDS, round(FRAUD_SHARE * count))
    fraud = rng.permutation(count) < frauds
    payments = draw_normal(rng, mixing, count)
    payments[fraud] = draw_frauds(rng, int(fraud.sum()))
    for array in (payments, fraud, weights):
        array.flags.writeable = False
    return Problem(payments, fraud, weights)


def work(size: tuple[int]) -> float:
    """Return the number of payments, which is what a run's time grows with."""
    return float(size[0])


@lru_cache(maxsize=2)
def truth(problem: Problem) -> NDArray[np.longdouble]:
    """Return each payment's error in extended precision, where the platform has it. Kept for the next check.

    Writes tanh and relu otherwise than contenders do: ``1 - 2 / (exp(2z) + 1)`` and ``(z + |z|) / 2``.
    """
    payments = problem.payments.astype(np.longdouble)
    values = payments
    start = 0
    for number, (fan_in, fan_out) in enumerate(SHAPES):
        bias, stop = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        kernel = problem.weights[start:bias].reshape(fan_in, fan_out)
        values = np.einsum("pi,io->po", values, kernel) + problem.weights[bias:stop]
        values = (values + np.abs(values)) / 2 if number % 2 else 1 - 2 / (np.exp(2 * values) + 1)
        start = stop
    result: NDArray[np.longdouble] = np.square(values - payments).sum(1) / FEATURES
    result.flags.writeable = False
    return result


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:
    """Return how far each error may be from the truth: some 10,000 ``eps``, which is 2e-12 in float64.

    What enters the last layer is a sum of terms of magnitude 1, rounded by the layers before to some 20 ``eps``,
    since the 1 is added and taken off again. The layer multiplies that by at most ``sqrt(7) / SCALE``, 21, and so a
    feature is reconstructed to better than 500 ``eps``. Its square error changes by twice that times the difference,
    which is at most twice the largest feature.
    """
    return 2 * 500 * float(np.finfo(dtype).eps) * 2 * float(np.abs(problem.payments).max())


def quality(problem: Problem, answer: NDArray[np.floating]) -> tuple[str, float]:
    """Return how well the errors tell frauds from normal payments."""
    return "ROC AUC", auc(answer, problem.fraud)


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is every payment's error, floats of shape ``(payments,)``."""
    require_close(
        answer, truth(problem), partial(tolerance, problem), "the errors are not those of the reconstruction"
    )
