"""PyTorch's eager operations with every result written into a buffer that is already there.

``torch.compile`` is left out, because it needs a C++ compiler on every machine that runs the suite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from impl._shared.device_torch import device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Copy the data into tensors: rows of ones and of x, ``(2, points)``, and y, ``(points,)``."""
    points, step, epochs = len(problem.x), problem.step, problem.epochs
    on = device()
    rows = torch.tensor(np.stack((np.ones(points), problem.x)), device=on)
    columns = rows.T
    y = torch.tensor(problem.y, device=on)
    error = torch.empty_like(y)

    def run() -> NDArray[np.float64]:
        scale = 2 * step / points
        w = torch.zeros(2, dtype=torch.float64, device=on)
        with torch.inference_mode():
            for _ in range(epochs):
                torch.addmv(y, columns, w, alpha=-1, out=error)
                torch.addmv(w, rows, error, alpha=scale, out=w)
        weights: NDArray[np.float64] = w.cpu().numpy()
        return weights

    return run
