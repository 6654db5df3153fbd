"""TensorFlow as most train with it: one compiled step, ``GradientTape`` and all, called from Python batch by batch.

The network is so small that calling the step costs more than the step: ``epoch_tensorflow`` does the same work in a
fifth of the time. Of the ways to write it, one vector of weights and XLA was the best (270 us a batch of 128);
eight tensors took 1.5 times as long, and without XLA 1.6 and 2.0 times.
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
def step(weights: tf.Tensor, batch: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
    """Return the weights ``(813,)`` after a step on ``batch``, ``(payments, 29)``."""
    with tf.GradientTape() as tape:
        tape.watch(weights)
        made = reconstruct(kernels_and_biases(weights, tf.reshape), batch, tf.tanh, tf.nn.relu)
        loss = tf.reduce_mean(tf.square(made - batch))
    return weights - rate * tape.gradient(loss, weights)


def prepare(problem: Problem) -> Run:
    """Move every batch into a tensor; the first run compiles."""
    batches = [tf.constant(batch) for batch in problem.batches]
    initial, rate, epochs = tf.constant(problem.initial), tf.constant(problem.rate, tf.float64), problem.epochs

    def run() -> NDArray[np.float64]:
        weights = initial
        after = []
        for _ in range(epochs):
            for batch in batches:
                weights = step(weights, batch, rate)
            after.append(weights.numpy())
        return np.array(after)

    return run
