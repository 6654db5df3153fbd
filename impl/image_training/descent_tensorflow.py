"""The whole loop inside one ``tf.function``, compiled by XLA, with the gradients of ``tf.GradientTape``.

The function stands in the module and the data are its arguments, so that it is traced once for all problems of the
same shapes. The loop is spelt out, because AutoGraph (TensorFlow 2.21) does not convert Python's on Python 3.13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from impl._shared.dense_tensorflow import outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.image_training.problem import Problem, Run


@tf.function(jit_compile=True, autograph=False)
def descend(
    data: tuple[tf.Tensor, tf.Tensor, tf.Tensor], scale: tf.Tensor, step: tf.Tensor, weights: tuple[tf.Tensor, ...]
) -> tuple[tf.Tensor, ...]:
    """Return the weights after a step on each row of the order: ``data`` is images, labels, order."""
    images, labels, order = data

    def advance(k: tf.Tensor, weights: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        rows = order[k]
        x = tf.cast(tf.gather(images, rows), scale.dtype) * scale
        with tf.GradientTape() as tape:
            tape.watch(weights)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(labels, rows), outputs(x, *weights))
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, weights)
        return k + 1, tuple(w - step * gradient for w, gradient in zip(weights, gradients, strict=True))

    _, final = tf.while_loop(lambda k, _: k < tf.shape(order)[0], advance, (0, weights))
    return tuple(final)


def prepare(problem: Problem) -> Run:
    """Move images, order and weights into tensors; the first run compiles."""
    data = tf.constant(problem.images), tf.constant(problem.labels), tf.constant(problem.order)
    scale, step = (tf.constant(value, tf.float64) for value in (problem.scale, problem.step))
    weights = tuple(tf.constant(values) for values in problem.weights)

    def run() -> tuple[NDArray[np.float64], ...]:
        return tuple(values.numpy() for values in descend(data, scale, step, weights))

    return run
