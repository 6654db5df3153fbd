"""The forward pass as one ``tf.function``, compiled by XLA, all images at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from impl._shared.dense_tensorflow import outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.image_prediction.problem import Problem, Run


@tf.function(jit_compile=True, autograph=False)
def predict(images: tf.Tensor, scale: tf.Tensor, weights: tuple[tf.Tensor, ...]) -> tf.Tensor:
    """Return the probabilities, ``(images, classes)``, for ``images``, ``(images, pixels)`` uint8."""
    return tf.nn.softmax(outputs(tf.cast(images, scale.dtype) * scale, *weights))


def prepare(problem: Problem) -> Run:
    """Move images and weights into tensors; the first run compiles."""
    images, scale = tf.constant(problem.images), tf.constant(problem.scale, tf.float64)
    weights = tuple(tf.constant(values) for values in problem.weights)

    def run() -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = predict(images, scale, weights).numpy()
        return probabilities

    return run
