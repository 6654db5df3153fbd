"""The dense layers that the classifiers of images and of texts end in, as TensorFlow's operations."""

from __future__ import annotations

import tensorflow as tf


def outputs(x: tf.Tensor, w1: tf.Tensor, b1: tf.Tensor, w2: tf.Tensor, b2: tf.Tensor) -> tf.Tensor:
    """Return ``(batch, outputs)`` for ``x``, ``(batch, inputs)``, before their softmax or sigmoid."""
    return tf.matmul(tf.nn.relu(tf.matmul(x, w1) + b1), w2) + b2
