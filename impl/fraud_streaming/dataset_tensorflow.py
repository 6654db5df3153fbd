"""A ``tf.data`` pipeline whose source is the consumer.

Each run needs an iterator, for which TensorFlow instantiates and optimises the mapped function anew. The generator is
called back from TensorFlow's runtime for each batch.
"""

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
    options = tf.data.Options()
    options.autotune.enabled = False  # it would read ahead on a thread of its own

    def detect(batches: Iterator[list[bytes]]) -> Iterator[Outcome]:
        source = tf.data.Dataset.from_generator(lambda: batches, output_signature=tf.TensorSpec([None], tf.string))
        for records, *found in source.map(lambda records: (records, *find(records, *deployed))).with_options(options):
            yield outcome(records.numpy().tolist(), *found)

    return deploy(problem, detect, BATCH)
