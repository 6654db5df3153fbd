"""An epoch as one ``lax.scan`` over its batches, compiled as a whole, the gradient by ``jax.grad``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from impl._shared.autoencoder import kernels_and_biases, reconstruct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_training.problem import Problem, Run


def loss(weights: jax.Array, batch: jax.Array) -> jax.Array:
    """Return the mean squared error of reconstruction of ``batch``, ``(payments, 29)``."""
    made = reconstruct(kernels_and_biases(weights, jnp.reshape), batch, jnp.tanh, jax.nn.relu)
    return jnp.square(made - batch).mean()


@jax.jit
def train(weights: jax.Array, batches: jax.Array, rate: float) -> jax.Array:
    """Return the weights ``(813,)`` after a step on each of ``batches``, ``(batches, payments, 29)``."""

    def step(weights: jax.Array, batch: jax.Array) -> tuple[jax.Array, None]:
        return weights - rate * jax.grad(loss)(weights, batch), None

    return jax.lax.scan(step, weights, batches)[0]


def prepare(problem: Problem) -> Run:
    """Move the batches into one float64 array, JAX's default being float32; the first run compiles."""
    with jax.enable_x64(True):
        batches, initial = jnp.array(problem.batches), jnp.array(problem.initial)
    rate, epochs = problem.rate, problem.epochs

    def run() -> NDArray[np.float64]:
        weights = initial
        after = []
        with jax.enable_x64(True):
            for _ in range(epochs):
                weights = train(weights, batches, rate)
                after.append(np.asarray(weights))
        return np.array(after)

    return run
