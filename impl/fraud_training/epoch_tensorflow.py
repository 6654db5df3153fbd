"""A whole epoch inside one ``tf.function``, compiled by XLA: Python is asked once an epoch and not once a batch.

XLA pays here: the same graph without it takes nearly three times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from impl._shared.autoencoder import kernels_and_biases, reconstruct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_training.problem import Problem, Run


@tf.function(autograph=False, jit_compile=True)
def train(weights: tf.Tensor, batches: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
    """Return the weights ``(813,)`` after a step on each of ``batches``, ``(batches, payments, 29)``."""

    def step(k: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = batches[k]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            made = reconstruct(kernels_and_biases(weights, tf.reshape), batch, tf.tanh, tf.nn.relu)
            loss = tf.reduce_mean(tf.square(made - batch))
        return k + 1, weights - rate * tape.gradient(loss, weights)

    _, weights = tf.while_loop(lambda k, _: k < tf.shape(batches)[0], step, (0, weights))
    return weights


def prepare(problem: Problem) -> Run:
    """Move the batches into one tensor; the first run compiles."""
    batches, initial = tf.constant(problem.batches), tf.constant(problem.initial)
    rate, epochs = tf.constant(problem.rate, tf.float64), problem.epochs

    def run() -> NDArray[np.float64]:
        weights = initial
        after = []
        for _ in range(epochs):
            weights = train(weights, batches, rate)
            after.append(weights.numpy())
        return np.array(after)

    return run
