"""Predict whether reviews are good by the sentiment classifier of ``text_training``: no step, only forward.

Source of the network and of size ``article``: see ``text_training``; as many reviews, drawn anew, of 88,000 words.
Speed does not depend on the weights, so they are drawn, biases too: one that is forgotten would show.

The truth is the same function written another way: sums over words by histograms, biases as the weights of one more
input that is always 1, and the sigmoid by logarithms.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.problem import require_close
from impl.image_training.problem import read_only
from impl.text_training.problem import draw_network, draw_reviews

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    #: What a contender's ``prepare(problem)`` returns: no arguments, the probabilities ``(reviews,)`` of good.
    Run = Callable[[], NDArray[np.floating]]

    Size = tuple[tuple[int, int, int], int, int]

#: size: ((vocabulary, embedding, hidden units), reviews, words of the longest)
SIZES: dict[str, Size] = {
    "tiny": ((12, 4, 5), 5, 6),
    "small": ((1_000, 16, 16), 640, 40),
    "article": ((88_000, 16, 16), 15_000, 250),
}

#: The contenders that every table compares the others with.
BASELINES = ("forward_python", "forward_numpy")

#: What a contender does unless it says otherwise by an ``APPROACH`` of its own.
APPROACH = "predicts from words, forward only"

#: What the rate counts.
UNIT = "reviews"


@dataclass(frozen=True, eq=False)
class Problem:
    """Reviews and a network, every array read-only. Compared by identity, so that the truth is cached.

    Review ``i`` is ``words[starts[i]:starts[i + 1]]``, ``words`` int64 from 1 (0 is left for padding) below the
    vocabulary; no review is empty. The weights are float64: ``table`` ``(vocabulary, embedding)``, ``w1``
    ``(embedding, hidden)``, ``b1`` ``(hidden,)``, ``w2`` ``(hidden, 1)``, ``b2`` ``(1,)``.
    """

    words: NDArray[np.int64]
    starts: NDArray[np.int64]
    table: NDArray[np.float64]
    w1: NDArray[np.float64]
    b1: NDArray[np.float64]
    w2: NDArray[np.float64]
    b2: NDArray[np.float64]

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        vocabulary, width = self.table.shape
        return f"{vocabulary:,} words in {width} dimensions, {self.units:,} reviews"

    @property
    def weights(self) -> tuple[NDArray[np.float64], ...]:
        """The table, then weights and biases from the first layer to the last."""
        return self.table, self.w1, self.b1, self.w2, self.b2

    @property
    def units(self) -> int:
        """The reviews that a run judges."""
        return len(self.starts) - 1


def make(size: Size) -> Problem:
    """Draw ``size = ((vocabulary, embedding, hidden), reviews, longest)``."""
    (vocabulary, width, hidden), count, longest = size
    rng = np.random.default_rng(88_001)
    words, starts = draw_reviews(rng, vocabulary, longest, rng.integers(0, 2, count))
    weights = draw_network(rng, vocabulary, width, hidden)
    read_only(words, starts, *weights)
    return Problem(words, starts, *weights)


def work(size: Size) -> float:
    """Return how often a run adds or multiplies: once an element of a word's vector, once a weight."""
    (_, width, hidden), count, longest = size
    return float(count * (width * 0.75 * longest + hidden * (width + 1)))


@functools.lru_cache(maxsize=1)
def truth(problem: Problem) -> NDArray[np.float64]:
    """Return the probabilities, ``(reviews,)``, from histograms, homogeneous coordinates and logarithms."""
    lengths = np.diff(problem.starts)
    review = np.repeat(np.arange(len(lengths)), lengths)
    sums = [np.bincount(review, column[problem.words]) for column in problem.table.T]
    # What is not yet divided by a review's length goes with a bias that is multiplied by it.
    hidden = np.vstack((problem.w1, problem.b1)).T @ np.vstack((*sums, lengths)) / lengths
    logits = np.vstack((problem.w2, problem.b2)).T @ np.vstack(
        (np.where(hidden < 0, 0, hidden), np.ones(len(lengths)))
    )
    probabilities: NDArray[np.float64] = np.exp(-np.logaddexp(0, -logits[0]))
    return probabilities


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:  # noqa: ARG001 - the same for every size
    """Return how far each probability may be from the truth.

    1e-12 in float64: a hundred times what rounding was seen to do at the article's size. Narrower types round
    coarser in proportion.
    """
    return 1e-12 * float(np.finfo(dtype).eps / np.finfo(np.float64).eps)


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is the probabilities, a float array ``(reviews,)``."""
    require_close(
        answer, truth(problem), functools.partial(tolerance, problem), "the probabilities are not the network's"
    )
