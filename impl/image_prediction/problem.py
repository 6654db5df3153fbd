"""Predict the class probabilities of images by the dense classifier of ``image_training``: no step, only forward.

Source of the network and of size ``article``: see ``image_training``; of the published test set it is
a quarter, so that pure Python is not left out.
Speed does not depend on the weights, so they are drawn, biases too: one that is forgotten would show.

The truth is the same function written another way: biases as the weights of one more input that is always 1, and
probabilities as powers of e below the sum of all in the logarithm.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.problem import require_close
from impl.image_training.problem import draw_images, draw_weights, read_only

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    #: What a contender's ``prepare(problem)`` returns: no arguments, the probabilities ``(images, classes)``.
    Run = Callable[[], NDArray[np.floating]]

    Floats = NDArray[np.float64]
    Size = tuple[str, tuple[int, int, int], int]

#: size: (source of the images, (pixels, hidden units, classes), images)
SIZES: dict[str, Size] = {
    "tiny": ("made", (9, 7, 4), 5),
    "small": ("digits", (64, 128, 10), 160),
    "article": ("made", (784, 128, 10), 2_500),
}

#: The contenders that every table compares the others with.
BASELINES = ("forward_python", "forward_numpy")

#: What a contender does unless it says otherwise by an ``APPROACH`` of its own.
APPROACH = "predicts from bytes, forward only"

#: What the rate counts.
UNIT = "images"


@dataclass(frozen=True, eq=False)
class Problem:
    """Images and a network, every array read-only. Compared by identity, so that the truth is cached.

    ``images`` is ``(images, pixels)`` uint8, ``scale`` makes [0, 1] of it. The weights are float64: ``w1``
    ``(pixels, hidden)``, ``b1`` ``(hidden,)``, ``w2`` ``(hidden, classes)``, ``b2`` ``(classes,)``.
    """

    images: NDArray[np.uint8]
    scale: float
    w1: NDArray[np.float64]
    b1: NDArray[np.float64]
    w2: NDArray[np.float64]
    b2: NDArray[np.float64]

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        network = "-".join(map(str, (*self.w1.shape, len(self.b2))))
        return f"{network} network, {len(self.images):,} images"

    @property
    def weights(self) -> tuple[NDArray[np.float64], ...]:
        """The weights and biases, from the first layer to the last."""
        return self.w1, self.b1, self.w2, self.b2

    @property
    def units(self) -> int:
        """The images that a run classifies."""
        return len(self.images)


def make(size: Size) -> Problem:
    """Draw ``size = (source, (pixels, hidden, classes), images)``."""
    source, (pixels, hidden, classes), count = size
    rng = np.random.default_rng(128)
    images, _, scale = draw_images(rng, source, pixels, classes, count)
    weights = draw_weights(rng, pixels, hidden, classes)
    read_only(images, *weights)
    return Problem(images, scale, *weights)


def work(size: Size) -> float:
    """Return how often a run multiplies and adds: once a weight and image."""
    _, (pixels, hidden, classes), count = size
    return float(count * hidden * (pixels + classes))


@functools.lru_cache(maxsize=1)
def truth(problem: Problem) -> NDArray[np.float64]:
    """Return the probabilities, ``(images, classes)``, from homogeneous coordinates and logarithms."""

    def layer(values: NDArray[np.floating], weights: Floats, bias: Floats) -> Floats:
        ones = np.ones((1, len(values)))
        product: Floats = np.vstack((weights, bias)).T @ np.vstack((values.T, ones))
        return product.T

    hidden = layer(problem.images * problem.scale, problem.w1, problem.b1)
    logits = layer(np.where(hidden < 0, 0, hidden), problem.w2, problem.b2)
    probabilities: NDArray[np.float64] = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return probabilities


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:  # noqa: ARG001 - the same for every size
    """Return how far each probability may be from the truth.

    1e-12 in float64: a hundred times what rounding was seen to do at the article's size. Narrower types round
    coarser in proportion.
    """
    return 1e-12 * float(np.finfo(dtype).eps / np.finfo(np.float64).eps)


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is the probabilities, a float array ``(images, classes)``."""
    require_close(
        answer, truth(problem), functools.partial(tolerance, problem), "the probabilities are not the network's"
    )
