"""The dense layers that the trained and the predicting classifier of images share, as JAX's operations."""

from __future__ import annotations

import jax


def outputs(x: jax.Array, w1: jax.Array, b1: jax.Array, w2: jax.Array, b2: jax.Array) -> jax.Array:
    """Return ``(batch, outputs)`` for ``x``, ``(batch, inputs)``, before their softmax."""
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2
