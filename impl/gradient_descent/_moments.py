"""Gradient descent on sufficient statistics: what the ``moments_*`` contenders share once they have the sums."""

from __future__ import annotations

import numpy as np

APPROACH = "reads the data once (sufficient statistics)"


def descend(
    sums: tuple[float, float, float, float], points: int, step: float, epochs: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return ``(w0, w1)`` after ``epochs`` steps, given the sums of x, x², y and xy over all ``points``.

    Plain Python floats on purpose: a NumPy call on two numbers costs ten times what Python's own arithmetic does.
    """
    sum_x, sum_xx, sum_y, sum_xy = sums
    scale = 2 * step / points
    # One step maps (w0, w1) to (keep0 w0 - cross w1 + push0, keep1 w1 - cross w0 + push1).
    keep0, keep1, cross = 1 - scale * points, 1 - scale * sum_xx, scale * sum_x
    push0, push1 = scale * sum_y, scale * sum_xy
    w0 = w1 = 0.0
    for _ in range(epochs):
        w0, w1 = keep0 * w0 - cross * w1 + push0, keep1 * w1 - cross * w0 + push1
    return np.array([w0, w1])
