"""The autoencoder of the fraud workloads as a Keras model in double precision, for those who fit and who predict."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import keras
import numpy as np

from impl._shared.autoencoder import SHAPES, kernels_and_biases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@contextmanager
def double_precision() -> Iterator[None]:
    """Let Keras make and read arrays in float64, and then give back what was set: both settings are the process's.

    New layers follow the policy, which Keras sets to `floatx` once, when it is first needed.
    """
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(policy)


def model() -> keras.Model:
    """Return a network that is not compiled; the kernels are zeros, because contenders draw nothing."""
    (features, _), *_ = SHAPES
    dense = [
        keras.layers.Dense(fan_out, activation=activation, kernel_initializer="zeros")
        for (_, fan_out), activation in zip(SHAPES, ("tanh", "relu", "tanh", "relu"), strict=True)
    ]
    return keras.Sequential([keras.Input((features,)), *dense])


def arrays(weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Cut the vector ``weights``, shape ``(813,)``, into what ``set_weights`` takes."""
    return [array for pair in kernels_and_biases(weights, np.reshape) for array in pair]
