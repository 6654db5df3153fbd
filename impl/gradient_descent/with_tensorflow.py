"""The best that TensorFlow was found to do: the whole loop inside one ``tf.function``, compiled by XLA.

The data stand as three rows, y, 1 and x, so that an epoch is two matrix-vector products and nothing else: with
``c = (1, -w0, -w1)`` the error is ``c @ rows`` and the gradient is ``rows @ error``. XLA on a CPU does those by
vectorised kernels; the plainer ``reduce_sum(error * x)`` it turns into a scalar loop that takes three times as
long. The rows are an argument and not a captured constant, so that compiling cannot do arithmetic on them. The
loop is spelt out, because AutoGraph (TensorFlow 2.21) does not convert Python's on Python 3.13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run


@tf.function(jit_compile=True, autograph=False)
def descend(rows: tf.Tensor, step: tf.Tensor, epochs: tf.Tensor) -> tf.Tensor:
    """Return ``(w0, w1)`` after ``epochs`` (int32) steps of size ``step`` over ``rows``, ``(3, points)`` float64."""
    scale = 2 * step / tf.cast(tf.shape(rows)[1], rows.dtype) * tf.constant([0, 1, 1], rows.dtype)

    def epoch(k: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        error = tf.linalg.matvec(rows, c, transpose_a=True)
        return k + 1, c - scale * tf.linalg.matvec(rows, error)

    start = tf.constant([1, 0, 0], rows.dtype)
    _, c = tf.while_loop(lambda k, _: k < epochs, epoch, (0, start))
    return -c[1:]


def prepare(problem: Problem) -> Run:
    """Move the data into one tensor; the first run compiles."""
    rows = tf.constant(np.stack((problem.y, np.ones_like(problem.x), problem.x)))
    step, epochs = tf.constant(problem.step, rows.dtype), tf.constant(problem.epochs)

    def run() -> NDArray[np.float64]:
        weights: NDArray[np.float64] = descend(rows, step, epochs).numpy()
        return weights

    return run
