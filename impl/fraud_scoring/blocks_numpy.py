"""NumPy on blocks of payments that stay in the processor's cache, every result in a buffer made beforehand.

Over all payments at once each layer would go to memory and back. In blocks nothing is allocated but the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._autoencoder import SHAPES, kernels_and_biases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_scoring.problem import Problem, Run

#: 512 payments of 29 features are 119 kB: with what the layers give, they fit a second-level cache.
BLOCK = 512


def prepare(problem: Problem) -> Run:
    """Cut payments into blocks, and make buffers for what each layer gives."""
    starts = range(0, len(problem.payments), BLOCK)
    blocks = np.split(problem.payments, starts[1:])
    pairs = kernels_and_biases(problem.weights, np.reshape)
    buffers = [[np.empty((len(block), fan_out)) for _, fan_out in SHAPES] for block in (blocks[0], blocks[-1])]
    count = len(problem.payments)
    # As a float64 array: NumPy would convert a whole number through a buffer of 64 kB in every call.
    zero = np.zeros(())

    def run() -> NDArray[np.float64]:
        errors = np.empty(count)
        share = np.full(blocks[0].shape[1], 1 / blocks[0].shape[1])
        start = 0
        for block in blocks:
            full = len(block) == len(blocks[0])
            values = block
            for number, ((kernel, bias), out) in enumerate(zip(pairs, buffers[0 if full else 1], strict=True)):
                np.matmul(values, kernel, out=out)
                np.add(out, bias, out=out)
                values = np.maximum(out, zero, out=out) if number % 2 else np.tanh(out, out=out)
            np.subtract(values, block, out=values)
            np.square(values, out=values)
            stop = start + len(block)
            # The mean over features as a product with 1/29, which BLAS does faster than NumPy's sums of short rows.
            np.matmul(values, share, out=errors[start:stop])
            start = stop
        return errors

    return run
