"""What the contenders with TensorFlow share.

Batches have any length, so XLA, which compiles for each length, is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from impl._shared.autoencoder import kernels_and_biases, reconstruct
from impl._shared.payments import RECORD
from impl.fraud_preprocessing.dataset_tensorflow import NULL
from impl.fraud_streaming._deployment import Outcome, refused

if TYPE_CHECKING:
    from impl.fraud_streaming.problem import Problem

    Model = tuple[tf.Tensor, tf.Tensor, tf.Tensor]  #: scale, weights, threshold

BATCH = 4096

#: Id, V1..V28, Amount and Class, by what an empty field becomes.
DEFAULTS: tuple[Any, ...] = (np.array([NULL]), *[np.array([np.nan])] * 29, np.array([NULL]))
COLUMNS = [0, *range(4, 34)]

VALUES = tf.TensorSpec([None, 29], tf.float64)
MODEL = [tf.TensorSpec(shape, tf.float64) for shape in ([29], [813], [])]


def model(problem: Problem) -> Model:
    """Move the deployed model into tensors."""
    scale, weights, threshold = (tf.constant(part) for part in (problem.scale, problem.weights, problem.threshold))
    return scale, weights, tf.cast(threshold, tf.float64)


@tf.function(autograph=False, input_signature=[VALUES, *MODEL[:2]])
def score(values: tf.Tensor, scale: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return the errors of payments, for V1..V28 and Amount of each, ``(payments, 29)``."""
    features = 1 + values / scale
    made = reconstruct(kernels_and_biases(weights, tf.reshape), features, tf.tanh, tf.nn.relu)
    return tf.reduce_mean(tf.square(made - features), 1)


@tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string), *MODEL])
def find(records: tf.Tensor, scale: tf.Tensor, weights: tf.Tensor, threshold: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Return places, ids and scores of the alerts among ``records``, and the places of those that are well-formed."""
    is_regular = tf.strings.regex_full_match(records, RECORD)
    places = tf.where(is_regular)[:, 0]
    columns = tf.io.decode_csv(
        tf.boolean_mask(records, is_regular),
        [tf.constant(default) for default in DEFAULTS],
        use_quote_delim=False,
        select_cols=COLUMNS,
    )
    ids, label, values = columns[0], columns[-1], tf.stack(columns[1:-1], axis=1)
    # No text reads as infinite, only a number that is too large.
    is_good = ~tf.reduce_any(tf.math.is_inf(values), axis=1)
    scores = score(tf.where(tf.math.is_nan(values), tf.zeros([], values.dtype), values), scale, weights)
    alerted = is_good & (label != NULL) & (scores > threshold)
    alerts = (tf.boolean_mask(column, alerted) for column in (places, ids, scores))
    return *alerts, tf.boolean_mask(places, is_good)


def outcome(records: list[bytes], places: tf.Tensor, ids: tf.Tensor, scores: tf.Tensor, good: tf.Tensor) -> Outcome:
    """Convert what ``find`` gave for ``records``."""
    alerts = zip(*(column.numpy().tolist() for column in (places, ids, scores)), strict=True)
    return Outcome(list(alerts), refused(records, good.numpy().tolist()))
