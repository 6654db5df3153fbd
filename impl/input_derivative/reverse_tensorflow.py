"""``GradientTape.batch_jacobian``, which TensorFlow's guide offers for this, in chunks of outputs so that it fits.

``GradientTape.jacobian`` of all outputs of the batch would pull back one cotangent as large as they are for each of
them: (64 * 4000)^2 numbers at the article's size, 262 GB in float32 and twice that in float64. ``batch_jacobian``
knows that no row depends on another and still pulls back a cotangent ``(batch, outputs)`` for each output, 8 GB. So a
chunk takes only its columns of the last weights: no cotangent is then wider than the chunk.

Twice as slow as reverse mode by hand: a unit cotangent times the last weights is a row of them, and ``reverse_numpy``
takes the row where this multiplies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from impl.input_derivative._network import outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.input_derivative.problem import Problem, Run

    Layers = tuple[tuple[tf.Tensor, tf.Tensor], ...]

APPROACH = "pulls a cotangent per output back (reverse mode)"

#: Outputs at once. Wider chunks do more products with zeros, narrower ones cross into the runtime more often.
CHUNK = 50


@tf.function(autograph=False, jit_compile=True)
def differentiate(x: tf.Tensor, layers: Layers, wrt: tf.Tensor) -> tf.Tensor:
    """Return ``dY/dX_j`` ``(derivatives, batch, outputs)`` for each ``j`` of ``wrt``."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = outputs(x, layers, tf.tanh)
    jacobian = tape.batch_jacobian(y, x)
    return tf.transpose(tf.gather(jacobian, wrt, axis=2), (2, 0, 1))


def prepare(problem: Problem) -> Run:
    """Move the data into tensors, the last layer in chunks of its columns; the first run compiles."""
    x, hidden, wrt = tf.nest.map_structure(tf.constant, (problem.x, problem.layers[:-1], problem.wrt))
    cuts = range(CHUNK, len(problem.b3), CHUNK)
    weights, bias = (np.array_split(array, cuts, axis=-1) for array in (problem.w3, problem.b3))
    lasts = [(tf.constant(w), tf.constant(b)) for w, b in zip(weights, bias, strict=True)]

    def run() -> NDArray[np.float64]:
        return np.concatenate([differentiate(x, (*hidden, last), wrt).numpy() for last in lasts], axis=2)

    return run
