"""Mini-batch gradient descent in pure Python, image by image forward and unit by unit back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impl._shared.dense_python import affine, arrays, back, layers, relu, softmax, stepped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.image_training.problem import Problem, Run

#: Some seven minutes, at the rate of ``small``.
LEAVES_OUT = ("article",)


def prepare(problem: Problem) -> Run:
    """Convert images to lists of whole numbers, and weights to lists of floats."""
    images, labels, order = problem.images.tolist(), problem.labels.tolist(), problem.order.tolist()
    initial = layers(problem.weights)
    scale = problem.scale

    def run() -> tuple[NDArray[np.float64], ...]:
        first, second = initial
        for rows in order:
            step = problem.step / len(rows)
            inputs = [[pixel * scale for pixel in images[row]] for row in rows]
            hidden = [relu(affine(x, first)) for x in inputs]
            errors = [[step * p for p in softmax(affine(values, second))] for values in hidden]
            for error, row in zip(errors, rows, strict=True):
                error[labels[row]] -= step
            first, second = stepped(first, inputs, back(errors, second, hidden)), stepped(second, hidden, errors)
        return arrays((first, second))

    return run
