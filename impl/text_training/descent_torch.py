"""PyTorch's automatic differentiation, eager, with an embedding bag whose gradient is sparse: a row a word.

No faster than NumPy by hand, as ``torch.profiler`` tells: a step passes 212 operators, most of which outweigh their
work at size ``small``; at ``article`` a third of the time goes into the bag and a third into adding its sparse
gradient to the table, which NumPy's loop does word by word as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from impl._shared.text_torch import logits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.text_training.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Cut the reviews apart and move all into tensors."""
    texts = torch.tensor(problem.words).tensor_split(torch.tensor(problem.starts[1:-1]))
    lengths, labels = torch.tensor(problem.starts).diff(), torch.tensor(problem.labels, dtype=torch.float64)
    order = torch.tensor(problem.order)
    initial = [torch.tensor(values) for values in problem.weights]

    def run() -> tuple[NDArray[np.float64], ...]:
        weights = [values.clone().requires_grad_() for values in initial]
        for rows in order:
            words = torch.cat([texts[review] for review in rows.tolist()])
            starts = lengths[rows].cumsum(0) - lengths[rows]
            loss = functional.binary_cross_entropy_with_logits(logits(words, starts, *weights), labels[rows])
            gradients = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for values, gradient in zip(weights, gradients, strict=True):
                    values.add_(gradient, alpha=-problem.step)
        return tuple(values.detach().numpy() for values in weights)

    return run
