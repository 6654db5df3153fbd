"""TensorFlow's own kernels behind one ``tf.function``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from impl._shared.autoencoder import kernels_and_biases, reconstruct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.fraud_scoring.problem import Problem, Run


@tf.function(autograph=False, jit_compile=True)
def score(weights: tf.Tensor, payments: tf.Tensor) -> tf.Tensor:
    """Return the error of each of ``payments``, ``(payments, 29)``."""
    made = reconstruct(kernels_and_biases(weights, tf.reshape), payments, tf.tanh, tf.nn.relu)
    return tf.reduce_mean(tf.square(made - payments), 1)


def prepare(problem: Problem) -> Run:
    """Move payments and weights into tensors; the first run compiles."""
    payments, weights = tf.constant(problem.payments), tf.constant(problem.weights)

    def run() -> NDArray[np.float64]:
        # A copy, because what a tensor hands out may be its own memory.
        errors: NDArray[np.float64] = score(weights, payments).numpy().copy()
        return errors

    return run
