"""``torch.func.jvp``, mapped over the inputs by ``vmap``: forward mode, eagerly.

Nothing compiles here, so the outputs are computed beside their derivatives and thrown away. ``torch.compile`` is left
out: it needs a C++ compiler on the machine.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch.func import jvp, vmap

from impl.input_derivative._network import outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.input_derivative.problem import Problem, Run

# The first use of forward mode imports a part of PyTorch 2.13 that calls what PyTorch itself has deprecated.
with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
    jvp(torch.tanh, (torch.zeros(1),), (torch.ones(1),))


def prepare(problem: Problem) -> Run:
    """Copy the data into tensors, and lay out a unit tangent ``(batch, inputs)`` for each input."""
    x = torch.tensor(problem.x)
    layers = [(torch.tensor(weights), torch.tensor(bias)) for weights, bias in problem.layers]
    tangents = torch.zeros(len(problem.wrt), *x.shape, dtype=x.dtype)
    for tangent, j in zip(tangents, problem.wrt.tolist(), strict=True):
        tangent[:, j] = 1

    def derivative(tangent: torch.Tensor) -> torch.Tensor:
        _, pushed = jvp(lambda values: outputs(values, layers, torch.tanh), (x,), (tangent,))
        return pushed

    def run() -> NDArray[np.float64]:
        with torch.no_grad():
            derivatives: NDArray[np.float64] = vmap(derivative)(tangents).numpy()
        return derivatives

    return run
