"""PyTorch as it comes: eager operations, gradients by autograd, a step in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from impl._shared.autoencoder import kernels_and_biases, reconstruct
from impl._shared.device_torch import device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.fraud_training.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Copy the batches into tensors."""
    batches = list(torch.tensor(problem.batches, device=device()))
    initial = torch.tensor(problem.initial, device=device())
    rate, epochs = problem.rate, problem.epochs

    def run() -> NDArray[np.float64]:
        # Each kernel and bias a tensor of its own: slices of one vector take a third longer to differentiate.
        pairs = [(k.clone(), b.clone()) for k, b in kernels_and_biases(initial, torch.reshape)]
        weights = [tensor.requires_grad_() for pair in pairs for tensor in pair]
        after = []
        for _ in range(epochs):
            for batch in batches:
                made = reconstruct(pairs, batch, torch.tanh, torch.relu)
                gradients = torch.autograd.grad(torch.nn.functional.mse_loss(made, batch), weights)
                with torch.no_grad():
                    for weight, gradient in zip(weights, gradients, strict=True):
                        weight.sub_(gradient, alpha=rate)
            after.append(torch.cat([weight.detach().ravel() for weight in weights]).cpu().numpy())
        return np.array(after)

    return run
