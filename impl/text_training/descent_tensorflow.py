"""The whole loop inside one ``tf.function``, compiled by XLA, with the gradients of ``tf.GradientTape``.

The gradient by the table comes as slices, a row for each word read, and is scattered into it: the table as a whole is
read by no step. The function stands in the module and the data are its arguments, so that it is traced once for all
problems of the same shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from impl._shared.text_tensorflow import logits, padded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.text_training.problem import Problem, Run


@tf.function(jit_compile=True, autograph=False)
def descend(
    data: tuple[tf.Tensor, tf.Tensor, tf.Tensor], step: tf.Tensor, weights: tuple[tf.Tensor, ...]
) -> tuple[tf.Tensor, ...]:
    """Return the weights after a step on each row of the order: ``data`` is padded reviews, labels, order."""
    words, labels, order = data

    def advance(k: tf.Tensor, weights: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            values = logits(tf.gather(words, order[k]), *weights)
            wanted = tf.cast(tf.gather(labels, order[k]), values.dtype)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, values))
        slices, *gradients = tape.gradient(loss, weights)
        table = tf.tensor_scatter_nd_sub(weights[0], slices.indices[:, None], step * slices.values)
        return k + 1, (table, *(w - step * g for w, g in zip(weights[1:], gradients, strict=True)))

    _, final = tf.while_loop(lambda k, _: k < tf.shape(order)[0], advance, (0, weights))
    return tuple(final)


def prepare(problem: Problem) -> Run:
    """Pad the reviews and move them and the weights into tensors; the first run compiles."""
    data = padded(problem.words, problem.starts), tf.constant(problem.labels), tf.constant(problem.order)
    step = tf.constant(problem.step, tf.float64)
    weights = tuple(tf.constant(values) for values in problem.weights)

    def run() -> tuple[NDArray[np.float64], ...]:
        return tuple(values.numpy() for values in descend(data, step, weights))

    return run
