"""JAX: one compiled function over all payments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from impl._shared.autoencoder import kernels_and_biases, reconstruct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_scoring.problem import Problem, Run


@jax.jit
def score(weights: jax.Array, payments: jax.Array) -> jax.Array:
    """Return the error of each of ``payments``, ``(payments, 29)``."""
    made = reconstruct(kernels_and_biases(weights, jnp.reshape), payments, jnp.tanh, jax.nn.relu)
    return jnp.square(made - payments).mean(1)


def prepare(problem: Problem) -> Run:
    """Move payments and weights into float64 arrays, JAX's default being float32; the first run compiles."""
    with jax.enable_x64(True):
        payments, weights = jnp.array(problem.payments), jnp.array(problem.weights)

    def run() -> NDArray[np.float64]:
        with jax.enable_x64(True):
            return np.array(score(weights, payments))

    return run
