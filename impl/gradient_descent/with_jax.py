"""The best that JAX was found to do: the loop compiled as a whole, on the same three rows as ``with_tensorflow``.

Both hand the work to XLA, so the layout that suits one suits the other; see there for why it is this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run


@jax.jit
def descend(rows: jax.Array, step: float, epochs: int) -> jax.Array:
    """Return ``(w0, w1)`` after ``epochs`` steps of size ``step`` over ``rows``, ``(3, points)`` float64."""
    scale = 2 * step / rows.shape[1] * jnp.array([0.0, 1.0, 1.0])
    start = jnp.array([1.0, 0.0, 0.0])
    c = jax.lax.fori_loop(0, epochs, lambda _, c: c - scale * (rows @ (c @ rows)), start)
    return -c[1:]


def prepare(problem: Problem) -> Run:
    """Move the data into one float64 array, JAX's default being float32; the first run compiles."""
    with jax.enable_x64(True):
        rows = jnp.stack((problem.y, np.ones_like(problem.x), problem.x))

    def run() -> NDArray[np.float64]:
        with jax.enable_x64(True):
            return np.asarray(descend(rows, problem.step, problem.epochs))

    return run
