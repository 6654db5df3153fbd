"""The classifier of images as Keras layers, built once for each shape, so that what it compiles is used again.

Every part is told to work in float64: Keras takes float32 otherwise, the loss included.
"""

from __future__ import annotations

import functools

import tensorflow as tf


@functools.cache
def network(pixels: int, hidden: int, classes: int, scale: float, step: float) -> tf.keras.Model:
    """Return a model of bytes ``(batch, pixels)`` that gives logits, ready for ``fit`` by plain gradient descent."""
    model = tf.keras.Sequential(
        [
            tf.keras.Input((pixels,), dtype="uint8"),
            tf.keras.layers.Rescaling(scale, dtype="float64"),
            tf.keras.layers.Dense(hidden, activation="relu", dtype="float64"),
            tf.keras.layers.Dense(classes, dtype="float64"),
        ]
    )
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
    model.compile(tf.keras.optimizers.SGD(step), loss)
    return model
