"""The whole loop as one ``jax.lax.scan`` over the batches, compiled, with the gradients of ``jax.grad``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from impl._shared.dense_jax import outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.image_training.problem import Problem, Run

    Weights = tuple[jax.Array, ...]


def loss(weights: Weights, x: jax.Array, labels: jax.Array) -> jax.Array:
    """Return the mean softmax cross-entropy on ``x``, ``(batch, pixels)``."""
    logits = jax.nn.log_softmax(outputs(x, *weights))
    return -jnp.take_along_axis(logits, labels[:, None], axis=1).mean()


@jax.jit
def descend(data: tuple[jax.Array, jax.Array, jax.Array], scale: float, step: float, weights: Weights) -> Weights:
    """Return the weights after a step on each row of the order: ``data`` is images, labels, order."""
    images, labels, order = data

    def advance(weights: Weights, rows: jax.Array) -> tuple[Weights, None]:
        gradients = jax.grad(loss)(weights, images[rows] * scale, labels[rows])
        return tuple(w - step * gradient for w, gradient in zip(weights, gradients, strict=True)), None

    final: Weights = jax.lax.scan(advance, weights, order)[0]
    return final


def prepare(problem: Problem) -> Run:
    """Move images, order and weights into JAX's arrays, in float64 against its default; the first run compiles."""
    with jax.enable_x64(True):
        data = jnp.asarray(problem.images), jnp.asarray(problem.labels), jnp.asarray(problem.order)
        weights = tuple(jnp.asarray(values) for values in problem.weights)

    def run() -> tuple[NDArray[np.float64], ...]:
        with jax.enable_x64(True):
            final = descend(data, problem.scale, problem.step, weights)
            return tuple(np.array(values) for values in final)

    return run
