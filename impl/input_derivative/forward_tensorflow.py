"""``tf.autodiff.ForwardAccumulator`` inside a ``tf.function``: TensorFlow's own forward mode, one pass an input.

An accumulator carries one tangent, so two inputs are two passes when written down; the compiler merges the values
they share and drops the outputs that nobody reads. Eagerly, which is how the guide shows it, this takes four times as
long.

Slower than forward mode ought to be for two reasons. The accumulator's rule for a product pushes a tangent of the
weights too, though it is all zeros, and XLA leaves that product in: three large products where two would do. And
TensorFlow 2.21 takes two to three times as long as NumPy's OpenBLAS for a product of float64.
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


@tf.function(autograph=False, jit_compile=True)
def differentiate(x: tf.Tensor, layers: Layers, wrt: tf.Tensor) -> tf.Tensor:
    """Return ``dY/dX_j`` ``(derivatives, batch, outputs)`` for each ``j`` of ``wrt``, whose length is static."""
    derivatives = []
    for j in tf.unstack(wrt):
        tangent = tf.one_hot(tf.fill(tf.shape(x)[:1], j), x.shape[1], dtype=x.dtype)
        with tf.autodiff.ForwardAccumulator(x, tangent) as accumulator:
            y = outputs(x, layers, tf.tanh)
        derivatives.append(accumulator.jvp(y))
    return tf.stack(derivatives)


def prepare(problem: Problem) -> Run:
    """Move the data into tensors; the first run compiles."""
    x, layers, wrt = tf.nest.map_structure(tf.constant, (problem.x, problem.layers, problem.wrt))

    def run() -> NDArray[np.float64]:
        derivatives: NDArray[np.float64] = differentiate(x, layers, wrt).numpy()
        return derivatives

    return run
