"""The classifier of texts as TensorFlow's operations, on reviews that are padded with word 0 to one length.

Padding as in the published model, but masked: there the mean is taken over the padding too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from impl._shared.dense_tensorflow import outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray


def padded(words: NDArray[np.int64], starts: NDArray[np.int64]) -> tf.Tensor:
    """Lay the reviews out as rows, ``(reviews, longest)`` int32, filled up with zeros."""
    lengths = np.diff(starts)
    rows = np.zeros((len(lengths), lengths.max()), np.int32)
    rows[np.arange(lengths.max()) < lengths[:, None]] = words
    return tf.constant(rows)


def logits(words: tf.Tensor, table: tf.Tensor, *weights: tf.Tensor) -> tf.Tensor:
    """Return ``(reviews,)``, before the sigmoid, for ``words``, ``(reviews, longest)``."""
    there = tf.cast(words > 0, table.dtype)
    sums = tf.reduce_sum(tf.gather(table, words) * there[:, :, None], axis=1)
    return outputs(sums / tf.reduce_sum(there, axis=1, keepdims=True), *weights)[:, 0]
