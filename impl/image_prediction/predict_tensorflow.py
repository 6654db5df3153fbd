"""Keras on TensorFlow as its guide shows it: ``predict`` by a model of layers, and softmax on what it returns.

``predict`` hands over 32 images at a time unless told otherwise, and each of those calls costs more than its
arithmetic: it is told 1000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from impl._shared.image_keras import network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.image_prediction.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Build the model; the first run compiles."""
    model = network(*problem.w1.shape, len(problem.b2), problem.scale, step=0.0)
    model.set_weights(problem.weights)

    def run() -> NDArray[np.float64]:
        logits = model.predict(problem.images, batch_size=1000, verbose=0)
        probabilities: NDArray[np.float64] = tf.nn.softmax(logits).numpy()
        return probabilities

    return run
