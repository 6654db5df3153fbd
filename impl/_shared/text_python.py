"""What the classifiers of texts share in pure Python, apart from their dense layers."""

from __future__ import annotations

from itertools import pairwise
from math import tanh


def mean(vectors: list[list[float]]) -> list[float]:
    """Return the mean of the words' vectors, element by element."""
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def sigmoid(logit: float) -> float:
    """Return the probability, by a hyperbolic tangent because that overflows nowhere."""
    return 0.5 + 0.5 * tanh(0.5 * logit)


def reviews(words: list[int], starts: list[int]) -> list[list[int]]:
    """Cut ``words`` into one list a review."""
    return [words[start:end] for start, end in pairwise(starts)]
