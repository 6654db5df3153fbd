"""The forward pass as one ``tf.function``, compiled by XLA, which sums the vectors of words as it gathers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from impl._shared.text_tensorflow import logits, padded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.text_prediction.problem import Problem, Run


@tf.function(jit_compile=True, autograph=False)
def predict(words: tf.Tensor, weights: tuple[tf.Tensor, ...]) -> tf.Tensor:
    """Return the probabilities, ``(reviews,)``, for ``words``, ``(reviews, longest)``."""
    return tf.sigmoid(logits(words, *weights))


def prepare(problem: Problem) -> Run:
    """Pad the reviews and move them and the weights into tensors; the first run compiles."""
    words = padded(problem.words, problem.starts)
    weights = tuple(tf.constant(values) for values in problem.weights)

    def run() -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = predict(words, weights).numpy()
        return probabilities

    return run
