"""Keras on TensorFlow as its guide shows it: layers, ``compile`` and ``fit``.

``fit`` would draw batches itself, so it is given the images in the problem's order and told not to shuffle. Each call
builds a pipeline of the data anew, which takes tens of milliseconds whatever their number, and every step passes
through it and through Keras's own bookkeeping: three times the compiled loop's time at the article's size, and nearly
all of the time at ``small``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from impl._shared.image_keras import network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.image_training.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Lay the images out in the order of the batches; the first run compiles."""
    batch = problem.order.shape[1]
    model = network(*problem.w1.shape, len(problem.b2), problem.scale, problem.step)
    rows = problem.order.ravel()
    images, labels = problem.images[rows], problem.labels[rows]

    def run() -> tuple[NDArray[np.float64], ...]:
        model.set_weights(problem.weights)
        model.fit(images, labels, batch_size=batch, shuffle=False, verbose=0)
        return tuple(model.get_weights())

    return run
