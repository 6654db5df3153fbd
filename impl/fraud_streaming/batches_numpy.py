"""NumPy on the records that have come in since the last batch, as whole columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared.autoencoder import kernels_and_biases, reconstruct
from impl.fraud_preprocessing.columns_numpy import read
from impl.fraud_streaming._deployment import Outcome, deploy, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from impl.fraud_streaming._deployment import Detect
    from impl.fraud_streaming.problem import Problem, Run

#: Some 500 records' text and numbers stay in the processor's cache.
BATCH = 512


def relu(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``values`` with zero for what is negative."""
    return np.maximum(values, 0.0)


def detector(problem: Problem) -> Detect:
    """Return what finds the alerts of batches, by the model of ``problem``."""
    pairs, scale, threshold = kernels_and_biases(problem.weights, np.reshape), problem.scale, problem.threshold

    def found(records: list[bytes]) -> Outcome:
        table = read(b"\n".join([*records, b""]), np.zeros(3, np.int64))
        labelled = ~table.empty[:, -1]
        features = 1 + table.numbers[labelled, 2:31] / scale
        with np.errstate(over="ignore"):  # a payment that is out of all proportion scores infinity
            scores = np.square(reconstruct(pairs, features, np.tanh, relu) - features).mean(1)
        alerted = scores > threshold
        alerts = zip(
            table.lines[labelled][alerted].tolist(),
            table.ids[labelled][alerted].tolist(),
            scores[alerted].tolist(),
            strict=True,
        )
        return Outcome(list(alerts), refused(records, table.lines))

    def detect(batches: Iterator[list[bytes]]) -> Iterator[Outcome]:
        return map(found, batches)

    return detect


def prepare(problem: Problem) -> Run:
    """Cut the weights into layers, and fill the topic."""
    return deploy(problem, detector(problem), BATCH)
