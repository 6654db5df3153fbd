"""The forward pass compiled by JAX, all images at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from impl._shared.dense_jax import outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.image_prediction.problem import Problem, Run


@jax.jit
def predict(images: jax.Array, scale: float, weights: tuple[jax.Array, ...]) -> jax.Array:
    """Return the probabilities, ``(images, classes)``, for ``images``, ``(images, pixels)`` uint8."""
    return jax.nn.softmax(outputs(images * scale, *weights))


def prepare(problem: Problem) -> Run:
    """Move images and weights into JAX's arrays, in float64 against its default; the first run compiles."""
    with jax.enable_x64(True):
        images = jnp.asarray(problem.images)
        weights = tuple(jnp.asarray(values) for values in problem.weights)

    def run() -> NDArray[np.float64]:
        with jax.enable_x64(True):
            return np.array(predict(images, problem.scale, weights))

    return run
