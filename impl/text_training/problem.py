"""Train a sentiment classifier of texts, embedding, mean, ReLU, sigmoid, by mini-batch gradient descent.

Source of the network: TensorFlow's tutorial for beginners "Text classification of movie reviews", an embedding of 16,
the mean over a review's words, 16 ReLU units and one sigmoid on 15,000 reviews cut at 250 words, in batches of 512,
and the courses that follow it with a vocabulary of 88,000. Size ``article`` has their numbers but for batches of 500,
which divide the reviews, and one epoch of their forty. https://www.tensorflow.org/tutorials/keras/text_classification

The steps are plain gradient descent, because a trajectory can be proved only where everybody takes the same steps.
Reviews have as many words as they have: how to lay them out, padded or end to end, is a contender's choice. Words
are made: frequent ones by Zipf's law, and each with an opinion that shifts how often it is drawn.

The truth where it can be afforded (``tiny``) is the whole trajectory by complex steps, as in ``image_training``.
Elsewhere it is a bar of quality on reviews held out.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from impl.image_training.problem import (
    affordable,
    check_close,
    check_weights,
    descend,
    draw_order,
    draw_weights,
    read_only,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    #: What a contender's ``prepare(problem)`` returns: no arguments, the trained weights in the order and with the
    #: shapes of ``Problem.weights``.
    Run = Callable[[], tuple[NDArray[np.floating], ...]]

    Size = tuple[tuple[int, int, int], int, int, int, int]

#: size: ((vocabulary, embedding, hidden units), reviews, words of the longest, batch, epochs)
SIZES: dict[str, Size] = {
    "tiny": ((12, 4, 5), 24, 6, 8, 3),
    "small": ((1_000, 16, 16), 640, 40, 16, 1),
    "article": ((88_000, 16, 16), 15_000, 250, 500, 1),
}

#: The contenders that every table compares the others with.
BASELINES = ("descent_python", "descent_numpy")

#: What a contender does unless it says otherwise by an ``APPROACH`` of its own.
APPROACH = "trains by mini-batches in the given order"

#: What the rate counts.
UNIT = "reviews"

#: Exact in float32 too, because Keras keeps it in that.
STEP = 1.0

#: The fraction of held-out reviews that trained weights classify; guessing reaches a half.
BAR = 0.8


@dataclass(frozen=True, eq=False)
class Problem:
    """Reviews and a network to train; every array is read-only. Compared by identity, so that truths are cached.

    Review ``i`` is ``words[starts[i]:starts[i + 1]]``, ``words`` int64 from 1 (0 is left for padding) below the
    vocabulary; no review is empty. ``labels`` is ``(reviews,)`` int64, 1 for a good opinion; ``order`` is ``(steps,
    batch)`` int64, the reviews that each step reads. The initial weights are float64: ``table`` ``(vocabulary,
    embedding)``, ``w1`` ``(embedding, hidden)``, ``b1`` ``(hidden,)``, ``w2`` ``(hidden, 1)``, ``b2`` ``(1,)``. What
    is held out is for judging and not for training.
    """

    words: NDArray[np.int64]
    starts: NDArray[np.int64]
    labels: NDArray[np.int64]
    order: NDArray[np.int64]
    step: float
    table: NDArray[np.float64]
    w1: NDArray[np.float64]
    b1: NDArray[np.float64]
    w2: NDArray[np.float64]
    b2: NDArray[np.float64]
    held_out_words: NDArray[np.int64]
    held_out_starts: NDArray[np.int64]
    held_out_labels: NDArray[np.int64]

    def __str__(self) -> str:
        """Give the size in words, for the head of a table."""
        vocabulary, width = self.table.shape
        network = f"{vocabulary:,} words in {width} dimensions"
        return f"{network}, {len(self.order):,} steps of {self.order.shape[1]} reviews"

    @property
    def weights(self) -> tuple[NDArray[np.float64], ...]:
        """The initial weights, in the order of the answer."""
        return self.table, self.w1, self.b1, self.w2, self.b2

    @property
    def units(self) -> int:
        """The reviews that a run trains on, repeats counted."""
        return self.order.size


def draw_reviews(
    rng: np.random.Generator, vocabulary: int, longest: int, labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return words and starts of a review for each of ``labels``, of half of ``longest`` words to ``longest``.

    Word ``w`` is drawn in proportion to ``1 / (w + 10)``, Zipf's law; those with an opinion, half of them, are drawn
    eight times as often where the review shares it.
    """
    lengths = rng.integers((longest + 1) // 2, longest + 1, len(labels))
    starts = np.concatenate(([0], np.cumsum(lengths)))
    share = 1 / (np.arange(1, vocabulary) + 10)
    opinion = rng.integers(-1, 3, vocabulary - 1)
    drawn = rng.random(starts[-1])
    words = np.empty(starts[-1], np.int64)
    good = np.repeat(labels, lengths).astype(bool)
    for label, chosen in ((0, ~good), (1, good)):
        cumulative = np.cumsum(np.where(opinion == label, 8, 1) * share)
        words[chosen] = 1 + np.searchsorted(cumulative / cumulative[-1], drawn[chosen], side="right")
    return np.minimum(words, vocabulary - 1), starts


def draw_network(rng: np.random.Generator, vocabulary: int, width: int, hidden: int) -> list[NDArray[np.float64]]:
    """Return the weights of the network: uniform words, so large that means over many still differ."""
    return [rng.uniform(-2, 2, (vocabulary, width)), *draw_weights(rng, width, hidden, 1)]


def make(size: Size) -> Problem:
    """Draw ``size = ((vocabulary, embedding, hidden), reviews, longest, batch, epochs)``."""
    (vocabulary, width, hidden), count, longest, batch, epochs = size
    rng = np.random.default_rng(88_000)
    order = draw_order(rng, count, batch, epochs)
    labels = rng.integers(0, 2, count + count // 3)
    words, starts = draw_reviews(rng, vocabulary, longest, labels)
    table, w1, b1, w2, b2 = draw_network(rng, vocabulary, width, hidden)
    end = starts[count]
    training = words[:end], starts[: count + 1], labels[:count]
    held_out = words[end:], starts[count:] - end, labels[count:]
    read_only(words, starts, labels, order, table, w1, b1, w2, b2, *training, *held_out)
    return Problem(*training, order, STEP, table, w1, b1, w2, b2, *held_out)


def work(size: Size) -> float:
    """Return how often a run adds or multiplies: the words' vectors there and back, the layers thrice."""
    (_, width, hidden), count, longest, _, epochs = size
    return float(epochs * count * (2 * width * 0.75 * longest + 3 * hidden * (width + 1)))


def incidence(words: NDArray[np.int64], starts: NDArray[np.int64], vocabulary: int) -> NDArray[np.float64]:
    """Return each word's share of each review, ``(reviews, vocabulary)``: of the table, it makes the means."""
    reviews = [np.bincount(part, minlength=vocabulary) / len(part) for part in np.split(words, starts[1:-1])]
    return np.array(reviews)


def cross_entropy(weights: Iterable[NDArray[Any]], shares: NDArray[np.float64], labels: NDArray[np.int64]) -> complex:
    """Return the mean binary cross-entropy, analytic in ``weights``: ReLU goes by the sign of the real part."""
    table, w1, b1, w2, b2 = weights
    hidden = shares @ table @ w1 + b1
    logits = (np.where(hidden.real > 0, hidden, 0) @ w2 + b2)[:, 0]
    return complex(np.mean(np.log(1 + np.exp(logits)) - labels * logits))


@functools.lru_cache(maxsize=1)
def truth(problem: Problem) -> list[NDArray[np.float64]]:
    """Return the weights after the last step by complex-step gradients: for an ``affordable`` problem only."""
    shares = incidence(problem.words, problem.starts, len(problem.table))
    losses = [
        functools.partial(cross_entropy, shares=shares[rows], labels=problem.labels[rows]) for rows in problem.order
    ]
    return descend(losses, problem.weights, problem.step)


def tolerance(problem: Problem, dtype: np.dtype[np.floating]) -> float:  # noqa: ARG001 - the same for every size
    """Return how far each weight may be from the truth.

    1e-12 in float64: a thousand times what rounding was seen to do in the few steps of ``tiny``, and less than a
    millionth of what one word's share in one step does. Narrower types round coarser in proportion.
    """
    return 1e-12 * float(np.finfo(dtype).eps / np.finfo(np.float64).eps)


def accuracy(problem: Problem, answer: Iterable[NDArray[np.floating]]) -> float:
    """Return the fraction of the held-out reviews that the weights ``answer`` classify as labelled."""
    table, w1, b1, w2, b2 = answer
    lengths = np.diff(problem.held_out_starts)
    review = np.repeat(np.arange(len(lengths)), lengths)
    with np.errstate(all="ignore"):  # wrong weights may overflow: they classify badly
        sums = [np.bincount(review, column[problem.held_out_words]) for column in table.T]
        logits = np.maximum(np.array(sums).T / lengths[:, None] @ w1 + b1, 0) @ w2 + b2
    return float(np.mean((logits[:, 0] > 0) == problem.held_out_labels))


def quality(problem: Problem, answer: Iterable[NDArray[np.floating]]) -> tuple[str, float]:
    """Return the accuracy on the reviews held out, which is shown next to the time."""
    return "accuracy", accuracy(problem, answer)


def check(problem: Problem, answer: object) -> None:
    """Raise ``AssertionError`` unless ``answer`` is the trained weights: to rounding where that can be afforded."""
    weights = check_weights(answer, problem.weights)
    if affordable(problem.weights, problem.order):
        check_close(weights, truth(problem), functools.partial(tolerance, problem))
    elif (reached := accuracy(problem, weights)) < BAR:
        raise AssertionError(f"the weights classify {reached:.1%} of the held-out reviews, not {BAR:.0%}")
