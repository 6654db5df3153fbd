"""PyTorch's embedding bag and eager layers, on reviews end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from impl._shared.text_torch import logits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.text_prediction.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Move reviews and weights into tensors."""
    words, starts = torch.tensor(problem.words), torch.tensor(problem.starts[:-1])
    weights = [torch.tensor(values) for values in problem.weights]

    def run() -> NDArray[np.float64]:
        with torch.inference_mode():
            probabilities: NDArray[np.float64] = logits(words, starts, *weights).sigmoid().numpy()
        return probabilities

    return run
