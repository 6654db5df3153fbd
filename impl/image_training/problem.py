"""Train a dense classifier of images, pixels-hidden-classes with ReLU and softmax, by mini-batch gradient descent.

Source of the network and of size ``article``: TensorFlow's tutorial for beginners "Basic classification: Classify
images of clothing" (784-128-10, 60,000 images for training and 10,000 held out, in batches of 32), of whose epochs
one is run. https://www.tensorflow.org/tutorials/keras/classification

Two things differ from it: the steps are plain gradient descent, because a trajectory can be proved only where
everybody takes the same steps; and pixels stay bytes, as image files hold them, so that scaling them to [0, 1] is a
part of every run.

The truth where it can be afforded (``tiny``) is the whole trajectory, its gradients by complex steps, which need no
rule of differentiation and are exact to rounding: W. Squire, G. Trapp, "Using complex variables to estimate
derivatives of real functions", SIAM Review 40(1), 1998. Elsewhere it is a bar of quality on images held out.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    #: What a contender's ``prepare(problem)`` returns: no arguments, the trained weights in the order and with the
    #: shapes of ``Problem.weights``.
    Run = Callable[[], tuple[NDArray[np.floating], ...]]

    Weights = tuple[NDArray[np.float64], ...]
    Size = tuple[str, tuple[int, int, int], int, int, int]

#: size: (source of the images, (pixels, hidden units, classes), images, batch, epochs)
SIZES: dict[str, Size] = {
    "tiny": ("made", (9, 7, 4), 24, 8, 3),
    "small": ("digits", (64, 128, 10), 320, 16, 1),
    "article": ("made", (784, 128, 10), 60_000, 32, 1),
}

#: The contenders that every table compares the others with.
BASELINES = ("descent_python", "descent_numpy")

#: What a contender does unless it says otherwise by an ``APPROACH`` of its own.
APPROACH = "trains on bytes by mini-batches in the given order"

#: What the rate counts.
UNIT = "images"

#: The step size, by source: exact in float32 too, because Keras keeps it in that.
STEPS = {"made": 0.125, "digits": 0.25}

#: The fraction of held-out images that trained weights classify, by source. Guessing reaches a tenth. One in sixteen
#: of the images made cannot be told from another class; of the digits ``small`` sees few.
BARS = {"made": 0.9, "digits": 0.7}

#: So many evaluations of the loss, one a parameter and batch, are affordable as a truth: some tenths of a second.
AFFORDABLE = 10_000


@dataclass(frozen=True, eq=False)
class Problem:
    """Images and a network to train; every array is read-only. Compared by identity, so that truths are cached.

    ``images`` is ``(images, pixels)`` uint8, ``scale`` makes [0, 1] of it; ``labels`` is ``(images,)`` int64 and
    ``order`` ``(steps, batch)`` int64, the rows of ``images`` that each step reads. The initial weights are float64:
    ``w1`` ``(pixels, hidden)``, ``b1`` ``(hidden,)``, ``w2`` ``(hidden, classes)``, ``b2`` ``(classes,)``. What is
    held out is for judging and not for training: ``bar`` is the accuracy to reach.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    scale: float
    order: NDArray[np.int64]
    step: float
    w1: NDArray[np.float64]
    b1: NDArray[np.float64]
    w2: NDArray[np.float64]
    b2: NDArray[np.float64]
    held_out_images: NDArray[np.uint8]
    held_out_labels: NDArray[np.int64]
    bar: float

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        network = "-".join(map(str, (*self.w1.shape, len(self.b2))))
        return f"{network} network, {len(self.order):,} steps of {self.order.shape[1]} images"

    @property
    def weights(self) -> Weights:
        """The initial weights, in the order of the answer."""
        return self.w1, self.b1, self.w2, self.b2

    @property
    def units(self) -> int:
        """The images that a run trains on, repeats counted."""
        return self.order.size


def draw_images(
    rng: np.random.Generator, source: str, pixels: int, classes: int, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], float]:
    """Return ``count`` images, their labels and the scale of their pixels, read from "digits" or "made".

    The scales are powers of two, exact in every type: Keras rounds its own to float32.

    A made image is its class's random prototype, blended with a prototype of any class that has at most an equal
    share, under noise.
    """
    if source == "digits":
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        if images.shape[1] != pixels or count > len(images):
            raise ValueError(f"the digits are {images.shape[0]} images of {images.shape[1]} pixels")
        chosen = rng.permutation(len(images))[:count]
        return images[chosen].astype(np.uint8), labels[chosen].astype(np.int64), 1 / 16
    prototypes = rng.integers(0, 12, (classes, pixels), np.uint8)
    labels, others = rng.integers(0, classes, (2, count))
    share = rng.integers(8, 16, (count, 1), np.uint8)
    made = rng.integers(0, 64, (count, pixels), np.uint8)
    made += prototypes[labels] * share
    made += prototypes[others] * (16 - share)
    return made, labels, 1 / 256


def draw_weights(rng: np.random.Generator, *widths: int) -> list[NDArray[np.float64]]:
    """Return weights and biases of dense layers between ``widths``: Glorot's uniform weights, small biases."""
    layers = []
    for rows, columns in itertools.pairwise(widths):
        layers += [rng.uniform(-1, 1, (rows, columns)) * np.sqrt(6 / (rows + columns)), rng.uniform(0, 0.1, columns)]
    return layers


def draw_order(rng: np.random.Generator, count: int, batch: int, epochs: int) -> NDArray[np.int64]:
    """Return ``(steps, batch)`` rows: in every epoch all of ``count``, in a new random order."""
    if count % batch:
        raise ValueError(f"{count} examples do not make whole batches of {batch}")
    return np.concatenate([rng.permutation(count) for _ in range(epochs)]).reshape(-1, batch)


def read_only(*arrays: NDArray[Any]) -> None:
    """Protect ``arrays`` from a contender that would change them."""
    for values in arrays:
        values.flags.writeable = False


def make(size: Size) -> Problem:
    """Draw ``size = (source, (pixels, hidden, classes), images, batch, epochs)``."""
    source, (pixels, hidden, classes), count, batch, epochs = size
    rng = np.random.default_rng(784)
    held_out = count * 2 if source == "digits" else count // 6
    images, labels, scale = draw_images(rng, source, pixels, classes, count + held_out)
    order = draw_order(rng, count, batch, epochs)
    weights = draw_weights(rng, pixels, hidden, classes)
    # Parts of an array stay read-only whatever is done to the whole.
    parts = images[:count], labels[:count], images[count:], labels[count:]
    read_only(images, labels, order, *weights, *parts)
    w1, b1, w2, b2 = weights
    return Problem(parts[0], parts[1], scale, order, STEPS[source], w1, b1, w2, b2, parts[2], parts[3], BARS[source])


def work(size: Size) -> float:
    """Return how often a run multiplies and adds: every weight forward and backward, the second layer's twice."""
    _, (pixels, hidden, classes), count, _, epochs = size
    return float(epochs * count * hidden * (2 * pixels + 3 * classes))


def cross_entropy(weights: Iterable[NDArray[Any]], images: NDArray[np.float64], labels: NDArray[np.int64]) -> complex:
    """Return the mean softmax cross-entropy, analytic in ``weights``: ReLU goes by the sign of the real part."""
    w1, b1, w2, b2 = weights
    hidden = images @ w1 + b1
    logits = np.where(hidden.real > 0, hidden, 0) @ w2 + b2
    total = np.log(np.exp(logits).sum(axis=1))
    return complex(np.mean(total - logits[np.arange(len(labels)), labels]))


def descend(
    losses: Iterable[Callable[[list[NDArray[Any]]], complex]], weights: Weights, step: float
) -> list[NDArray[np.float64]]:
    """Take a step of gradient descent on each of ``losses`` in turn, by complex-step derivatives.

    For a tiny ``h`` the derivative of an analytic ``f`` is ``f(x + ih).imag / h``: nothing is subtracted, so nothing
    cancels.
    """
    h = 1e-30
    current = [values.copy() for values in weights]
    for loss in losses:
        moved = [values.astype(complex) for values in current]
        for real, parameters in zip(current, moved, strict=True):
            for index in np.ndindex(real.shape):
                value = parameters[index]
                parameters[index] = value + h * 1j
                real[index] -= step * loss(moved).imag / h
                parameters[index] = value
    return current


@functools.lru_cache(maxsize=1)
def truth(problem: Problem) -> list[NDArray[np.float64]]:
    """Return the weights after the last step by complex-step gradients: for an ``affordable`` problem only."""
    images = problem.images * problem.scale
    losses = [
        functools.partial(cross_entropy, images=images[rows], labels=problem.labels[rows]) for rows in problem.order
    ]
    return descend(losses, problem.weights, problem.step)


def affordable(weights: Weights, order: NDArray[np.int64]) -> bool:
    """Tell whether the whole trajectory can be followed by complex steps."""
    return sum(values.size for values in weights) * len(order) <= AFFORDABLE


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:  # noqa: ARG001 - the same for every size
    """Return how far each weight may be from the truth.

    1e-12 in float64: a thousand times what rounding was seen to do in the few steps of ``tiny``, and less than a
    billionth of what one image's share in one step does. Narrower types round coarser in proportion.
    """
    return 1e-12 * float(np.finfo(dtype).eps / np.finfo(np.float64).eps)


def accuracy(problem: Problem, answer: Iterable[NDArray[np.floating]]) -> float:
    """Return the fraction of the held-out images that the weights ``answer`` classify as labelled."""
    w1, b1, w2, b2 = answer
    with np.errstate(all="ignore"):  # wrong weights may overflow: they classify badly
        logits = np.maximum(problem.held_out_images * problem.scale @ w1 + b1, 0) @ w2 + b2
    return float(np.mean(logits.argmax(axis=1) == problem.held_out_labels))


def quality(problem: Problem, answer: Iterable[NDArray[np.floating]]) -> tuple[str, float]:
    """Return the accuracy on the images held out, which is shown next to the time."""
    return "accuracy", accuracy(problem, answer)


def check_weights(answer: object, initial: Weights) -> tuple[NDArray[np.floating], ...]:
    """Return ``answer``, or raise ``AssertionError`` unless it can be what became of ``initial``.

    That is a tuple of finite float arrays of the same shapes, all of which have moved. None holds a zero: the drawn
    values do not, and to train one to exactly zero is next to impossible.
    """
    if type(answer) is not tuple or len(answer) != len(initial):
        raise AssertionError(f"the answer is {answer!r:.200}, not a tuple of {len(initial)} arrays")
    for place, (values, before) in enumerate(zip(answer, initial, strict=True)):
        if not isinstance(values, np.ndarray) or values.dtype not in (np.float32, np.float64):
            raise AssertionError(f"weights {place} are {values!r:.200}, not an array of float64 or float32")
        if values.shape != before.shape:
            raise AssertionError(f"weights {place} have the shape {values.shape} instead of {before.shape}")
        if not np.isfinite(values).all():
            raise AssertionError(f"weights {place} are not all finite")
        if not values.all() or np.array_equal(values, before.astype(values.dtype)):
            raise AssertionError(f"weights {place} were left empty or untrained")
    return answer


def check_close(
    answer: tuple[NDArray[np.floating], ...],
    right: list[NDArray[np.float64]],
    atol: Callable[[np.dtype[np.floating]], float],
) -> None:
    """Raise ``AssertionError`` unless every array of ``answer`` is within ``atol(dtype)`` of ``right``."""
    for place, (values, expected) in enumerate(zip(answer, right, strict=True)):
        np.testing.assert_allclose(
            values,
            expected.astype(values.dtype),
            rtol=0,
            atol=atol(values.dtype),
            strict=True,
            err_msg=f"weights {place} are not those of gradient descent",
        )


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is the trained weights: to rounding where that can be afforded."""
    weights = check_weights(answer, problem.weights)
    if affordable(problem.weights, problem.order):
        check_close(weights, truth(problem), functools.partial(tolerance, problem))
    elif (reached := accuracy(problem, weights)) < problem.bar:
        raise AssertionError(f"the weights classify {reached:.1%} of the held-out images, not {problem.bar:.0%}")
