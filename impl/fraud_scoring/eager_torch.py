"""PyTorch's eager operations over all payments, without a record for gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from impl._shared.autoencoder import kernels_and_biases, reconstruct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impl.fraud_scoring.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Copy payments and weights into tensors."""
    payments = torch.tensor(problem.payments)
    pairs = kernels_and_biases(torch.tensor(problem.weights), torch.reshape)

    def run() -> NDArray[np.float64]:
        with torch.inference_mode():
            made = reconstruct(pairs, payments, torch.tanh, torch.relu)
            errors: NDArray[np.float64] = (made - payments).square_().mean(1).numpy()
        return errors

    return run
