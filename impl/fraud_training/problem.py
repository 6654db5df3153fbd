"""Train an autoencoder on normal payments by mini-batch gradient descent, so that frauds are badly reconstructed.

Source of the network (29-14-7-7-29; tanh, relu, tanh, relu), of the loss (mean squared error), of the batches of 128
and the 5 epochs, and of the number of payments at size ``article``: Kai Waehner's notebook on Python, Kafka, KSQL,
TensorFlow and Keras, https://github.com/kaiwaehner/python-jupyter-apache-kafka-ksql-tensorflow-keras, which trains
on 80 % of the 284,807 payments of the ULB data set less the frauds among them; here 5 more, so that batches are full.
Left out of it: the L1 term (its weight of 1e-7 changes no digit that anybody reads) and Adam, since plain descent
can be followed exactly.

The data are made here. Normal payments have 29 correlated features; a fraud has the same distribution in every
single feature and no correlation between them. So only what has learned the correlations tells frauds apart: a
network before its training ranks them no better than chance.

At the sizes that allow it every epoch's weights are proved against gradients by complex steps: with ``h = 1e-30`` the
imaginary part of ``f(x + ih)`` over ``h`` is the derivative, without the cancellation of a finite difference (Squire
and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40, 1998). At the larger
ones the area under the ROC curve (AUC) on payments not trained on has to be good after every epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from impl._shared.problem import require_close, require_floats

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    #: What a contender's ``prepare(problem)`` returns: no arguments, the weights after every epoch, in the order of
    #: ``Problem.initial``, shape ``(epochs, 813)``.
    Run = Callable[[], NDArray[np.floating]]

#: size: (batches, payments in a batch, epochs)
SIZES: dict[str, tuple[int, int, int]] = {
    "tiny": (3, 4, 2),
    "small": (4, 16, 2),
    "article": (1_777, 128, 5),
}

BASELINES = ("backprop_python", "backprop_numpy")

#: Two sizes that differ in the data only, by so much that a run's time must show it.
GROWING = (2, 1, 1), (1_000, 1, 1)

APPROACH = "takes the gradient of every batch, in the order given"

UNIT = "payments"

FEATURES = 29
#: What each dense layer reads and gives; odd ones end in tanh, even ones in relu.
SHAPES = ((29, 14), (14, 7), (7, 7), (7, 29))
WEIGHTS = sum((fan_in + 1) * fan_out for fan_in, fan_out in SHAPES)

#: A power of two, so that a framework which keeps the rate in single precision descends at the same rate.
RATE = 1.0

FACTORS = 5
CORRELATED, OWN = 0.5, 0.2

#: More frauds than real data hold, so that chance moves the AUC by less than one in a hundred.
HELD_OUT, FRAUDS = 10_000, 500

#: Problems that look at no more payments than this have every step proved, which takes a second.
PROVED_UP_TO = 200

#: After every epoch of a problem too large to be proved. Seven seeds gave at least 0.969, this one gives 0.994; 0.5
#: is chance, which is about where training starts.
LEAST_AUC = 0.95


@dataclass(frozen=True, eq=False)
class Problem:
    """Payments to train on, in order, and payments to judge the result by; arrays are float64 and read-only.

    ``batches`` is ``(batches, payments, 29)``. ``initial`` is ``(813,)``: for each layer the kernel, row by row, and
    the bias, as Keras orders them. ``held_out`` is ``(10000, 29)`` and ``fraud``, bool, says which are frauds.
    A step subtracts ``rate`` times the gradient of the squared error's mean over payments and features.
    """

    batches: NDArray[np.float64]
    initial: NDArray[np.float64]
    held_out: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    rate: float
    epochs: int

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        count, batch, _ = self.batches.shape
        return f"{count * batch:,} payments, {self.epochs} epochs of {count:,} batches of {batch}"

    @property
    def units(self) -> int:
        """The number of payments that a run looks at."""
        count, batch, _ = self.batches.shape
        return int(count * batch * self.epochs)


def draw_correlations(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw how features depend on hidden factors: ``(factors, 29)``, each feature with the variance 1."""
    mixing = rng.standard_normal((FACTORS, FEATURES))
    result: NDArray[np.float64] = mixing / np.sqrt((mixing * mixing).sum(0))
    return result


def draw_normal(rng: np.random.Generator, mixing: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Draw ``count`` normal payments, ``(count, 29)``: around 1, for the most part positive, as relu can give."""
    shared = rng.standard_normal((count, FACTORS)) @ mixing
    own = rng.standard_normal((count, FEATURES))
    result: NDArray[np.float64] = 1 + CORRELATED * shared + OWN * own
    return result


def draw_frauds(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Draw ``count`` frauds, ``(count, 29)``: each feature as in a normal payment, but of its own accord."""
    result: NDArray[np.float64] = 1 + np.hypot(CORRELATED, OWN) * rng.standard_normal((count, FEATURES))
    return result


def make(size: tuple[int, int, int]) -> Problem:
    """Draw ``size = (batches, payments in a batch, epochs)``; the initial weights by Glorot's rule, biases zero."""
    count, batch, epochs = size
    rng = np.random.default_rng(7)
    mixing = draw_correlations(rng)
    layers = [
        np.append(rng.uniform(-1, 1, fan_in * fan_out) * np.sqrt(6 / (fan_in + fan_out)), np.zeros(fan_out))
        for fan_in, fan_out in SHAPES
    ]
    initial = np.concatenate(layers)
    held_out = np.concatenate((draw_frauds(rng, FRAUDS), draw_normal(rng, mixing, HELD_OUT - FRAUDS)))
    fraud = np.arange(HELD_OUT) < FRAUDS
    batches = draw_normal(rng, mixing, count * batch).reshape(count, batch, FEATURES)
    for array in (batches, initial, held_out, fraud):
        array.flags.writeable = False
    return Problem(batches, initial, held_out, fraud, RATE, epochs)


def work(size: tuple[int, int, int]) -> float:
    """Return the number of payments that a run looks at, which is what its time grows with."""
    count, batch, epochs = size
    return float(count * batch * epochs)


def squared_errors(weights: NDArray[Any], payments: NDArray[np.float64]) -> NDArray[Any]:
    """Return each payment's mean squared error of reconstruction, ``(..., payments)``, for weights ``(..., 813)``.

    Complex weights are followed through relu by the sign of their real part.
    """
    values = payments
    start = 0
    for number, (fan_in, fan_out) in enumerate(SHAPES):
        bias, stop = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        kernel = weights[..., start:bias].reshape(*weights.shape[:-1], fan_in, fan_out)
        values = values @ kernel + weights[..., None, bias:stop]
        values = np.where(values.real > 0, values, 0) if number % 2 else np.tanh(values)
        start = stop
    error = values - payments
    result: NDArray[Any] = (error * error).mean(-1)
    return result


@lru_cache(maxsize=2)
def truth(problem: Problem) -> NDArray[np.float64]:
    """Return the weights after every epoch, ``(epochs, 813)``, by complex-step gradients. Kept for the next check."""
    step = 1e-30
    weights, after = problem.initial.copy(), []
    for _ in range(problem.epochs):
        for batch in problem.batches:
            moved = weights + 1j * step * np.eye(WEIGHTS)
            gradient: NDArray[np.float64] = squared_errors(moved, batch).mean(-1).imag / step
            weights = weights - problem.rate * gradient
        after.append(weights)
    result = np.array(after)
    result.flags.writeable = False
    return result


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:
    """Return how far each weight may be from the truth, where there is one.

    float64: 1e-10, ten thousand times what rounding was seen to do, a ten-thousandth of a millionth of a weight.

    Narrower types: a step rounds weights below 2 and takes ``rate`` times a gradient, whose sums of at most
    ``batch + 29 + 14 + 7 + 7`` terms of magnitude 1 are rounded term by term. 2 is for what a step does to the
    deviations of earlier ones, which the few steps of a proved problem do not double.
    """
    if dtype == np.float64:
        return 1e-10
    count, batch, _ = problem.batches.shape
    steps, terms = count * problem.epochs, batch + sum(fan_in for fan_in, _ in SHAPES)
    return float(np.finfo(dtype).eps * 2 * steps * (2 + problem.rate * terms))


def auc(scores: NDArray[np.floating], fraud: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve: how probably a fraud scores above a normal payment, ties counted half."""
    normal = np.sort(scores[~fraud])
    below = np.searchsorted(normal, scores[fraud], "left") + np.searchsorted(normal, scores[fraud], "right")
    return float(below.mean() / 2 / len(normal))


def quality(problem: Problem, answer: NDArray[np.floating]) -> tuple[str, float]:
    """Return how well the weights after the last epoch tell frauds from payments not trained on."""
    return "ROC AUC", auc(squared_errors(answer[-1], problem.held_out), problem.fraud)


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is what descent gives, floats of shape ``(epochs, 813)``."""
    weights = require_floats(answer)
    if weights.shape != (problem.epochs, WEIGHTS) or not np.isfinite(weights).all():
        raise AssertionError(
            f"{weights.shape} weights, {np.isfinite(weights).sum()} of them finite: not every epoch's"
        )
    if problem.units <= PROVED_UP_TO:
        wrong = "the weights after every epoch are not those of gradient descent"
        require_close(weights, truth(problem), partial(tolerance, problem), wrong)
        return
    for epoch in range(problem.epochs):
        _, area = quality(problem, weights[: epoch + 1])
        if area < LEAST_AUC:
            raise AssertionError(f"an AUC of {area:.3f} after epoch {epoch + 1}, not at least {LEAST_AUC}")
