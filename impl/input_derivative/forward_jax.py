"""``jax.jvp``, mapped over the inputs by ``vmap`` and compiled: forward mode as the framework's first idea.

The compiler drops the outputs that nobody reads, and ``vmap`` computes the hidden values once for all tangents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from impl.input_derivative._network import outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.input_derivative.problem import Problem, Run

    Layers = tuple[tuple[jax.Array, jax.Array], ...]


@jax.jit
def differentiate(x: jax.Array, layers: Layers, wrt: jax.Array) -> jax.Array:
    """Return ``dY/dX_j`` ``(derivatives, batch, outputs)`` for each ``j`` of ``wrt``."""

    def derivative(j: jax.Array) -> jax.Array:
        tangent = jnp.zeros_like(x).at[:, j].set(1)
        _, pushed = jax.jvp(lambda values: outputs(values, layers, jnp.tanh), (x,), (tangent,))
        return pushed

    return jax.vmap(derivative)(wrt)


def prepare(problem: Problem) -> Run:
    """Move the data into float64 arrays, JAX's default being float32; the first run compiles."""
    with jax.enable_x64(True):
        x, layers, wrt = jax.tree.map(jnp.asarray, (problem.x, problem.layers, problem.wrt))

    def run() -> NDArray[np.float64]:
        with jax.enable_x64(True):
            return np.asarray(differentiate(x, layers, wrt))

    return run
