"""NumPy on blocks of payments that stay in the processor's cache, every result in a buffer made beforehand.

Over all payments at once each layer would go to memory and back. In blocks nothing is allocated but the answer. They
stand feature by feature, their last row ones, as in ``impl/fraud_training/backprop_numpy.py`` and for its reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared.autoencoder import layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_scoring.problem import Problem, Run

#: 512 payments of 29 features are 119 kB: with what the layers give, they fit a second-level cache.
BLOCK = 512


def prepare(problem: Problem) -> Run:
    """Cut payments into blocks, ``(30, BLOCK)`` or less in the last, and make buffers for what each layer gives."""
    count, features = problem.payments.shape
    padded = np.insert(problem.payments.T, features, 1, axis=0)
    cuts = range(0, count, BLOCK)[1:]
    blocks = [np.ascontiguousarray(block) for block in np.split(padded, cuts, axis=1)]
    kernels = [layer.T for layer in layers(problem.weights, np.reshape)]
    # By length: the last block may have one of its own.
    buffers = {
        length: [np.ones((fan_in, length)) for fan_in in (15, 8, 8, 30)]
        for length in (blocks[0].shape[1], blocks[-1].shape[1])
    }
    # As a float64 array: NumPy would convert a whole number through a buffer of 64 kB in every call.
    zero = np.zeros(())

    def run() -> NDArray[np.float64]:
        errors = np.empty(count)
        share = np.full(features, 1 / features)
        start = 0
        for block in blocks:
            stop = start + block.shape[1]
            values = block
            for number, (kernel, out) in enumerate(zip(kernels, buffers[stop - start], strict=True)):
                made = out[:-1]
                np.matmul(kernel, values, out=made)
                if number % 2:
                    np.maximum(made, zero, out=made)
                else:
                    np.tanh(made, out=made)
                values = out
            np.subtract(made, block[:-1], out=made)
            np.square(made, out=made)
            np.matmul(share, made, out=errors[start:stop])
            start = stop
        return errors

    return run
