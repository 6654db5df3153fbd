"""Pure Python, one record at a time: what a consumer written by hand does."""

from __future__ import annotations

from operator import truediv
from typing import TYPE_CHECKING

from impl.fraud_preprocessing.stream_python import payment
from impl.fraud_scoring.dots_python import error, units
from impl.fraud_streaming._deployment import Outcome, deploy
from impl.fraud_streaming.problem import WRONG_FIELDS, WRONG_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impl.fraud_streaming.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Convert the model to lists, and fill the topic."""
    scale, network, threshold = problem.scale.tolist(), units(problem.weights), problem.threshold

    def found(record: bytes) -> Outcome:
        line = record + b"\n"
        fields = line.split(b",")
        if len(fields) != 34:  # noqa: PLR2004 - as in the format
            return Outcome([], [(0, WRONG_FIELDS)])
        try:
            read = payment(line, fields)
        except ValueError:
            return Outcome([], [(0, WRONG_TEXT)])
        if read.is_labelled:
            score = error([1.0 + value for value in map(truediv, read.values, scale)], *network)
            if score > threshold:
                return Outcome([(0, read.id, score)], [])
        return Outcome([], [])

    def detect(batches: Iterator[list[bytes]]) -> Iterator[Outcome]:
        for (record,) in batches:
            yield found(record)

    return deploy(problem, detect, 1)
