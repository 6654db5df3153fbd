"""The forward pass in pure Python, one image after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared.dense_python import affine, layers, relu, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.image_prediction.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Convert images to lists of whole numbers, and weights to lists of floats."""
    images, scale = problem.images.tolist(), problem.scale
    first, second = layers(problem.weights)

    def run() -> NDArray[np.float64]:
        return np.array(
            [softmax(affine(relu(affine([pixel * scale for pixel in image], first)), second)) for image in images]
        )

    return run
