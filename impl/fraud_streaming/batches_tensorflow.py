"""TensorFlow on the records that have come in since the last batch: one graph from text to scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from impl.fraud_streaming._deployment import Outcome, deploy
from impl.fraud_streaming._graph_tensorflow import BATCH, find, model, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impl.fraud_streaming.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Move the model into tensors, and fill the topic."""
    deployed = model(problem)

    def detect(batches: Iterator[list[bytes]]) -> Iterator[Outcome]:
        for records in batches:
            yield outcome(records, *find(tf.constant(records), *deployed))

    return deploy(problem, detect, BATCH)
