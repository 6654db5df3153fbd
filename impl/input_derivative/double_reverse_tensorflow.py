"""Forward mode from reverse mode twice, for frameworks that have no forward mode: as TensorFlow before 2.2.

The vector-Jacobian product ``g(v) = v J`` is linear in ``v``, so its own vector-Jacobian product with a tangent ``u``
is ``J u``, whatever ``v`` is. Source: Jamie Townsend, "A new trick for calculating Jacobian vector products", 2017.
https://j-towns.github.io/2017/06/12/A-new-trick.html

Nothing of the result depends on ``v`` or on the outputs, so a compiler that drops what nobody reads is left with
forward mode: fewer products than ``forward_tensorflow``, whose rule for a product adds one of zeros. Eagerly, the
first way back is computed too, and all takes two to three times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from impl.input_derivative._network import outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.input_derivative.problem import Problem, Run

    Layers = tuple[tuple[tf.Tensor, tf.Tensor], ...]

APPROACH = "pulls back the pull-back (reverse mode twice)"


@tf.function(autograph=False, jit_compile=True)
def differentiate(x: tf.Tensor, layers: Layers, wrt: tf.Tensor) -> tf.Tensor:
    """Return ``dY/dX_j`` ``(derivatives, batch, outputs)`` for each ``j`` of ``wrt``, whose length is static."""
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = outputs(x, layers, tf.tanh)
        v = tf.zeros_like(y)
        outer.watch(v)
        pulled_back = inner.gradient(y, x, output_gradients=v)
    units = (tf.one_hot(tf.fill(tf.shape(x)[:1], j), x.shape[1], dtype=x.dtype) for j in tf.unstack(wrt))
    return tf.stack([outer.gradient(pulled_back, v, output_gradients=unit) for unit in units])


def prepare(problem: Problem) -> Run:
    """Move the data into tensors; the first run compiles."""
    x, layers, wrt = tf.nest.map_structure(tf.constant, (problem.x, problem.layers, problem.wrt))

    def run() -> NDArray[np.float64]:
        derivatives: NDArray[np.float64] = differentiate(x, layers, wrt).numpy()
        return derivatives

    return run
