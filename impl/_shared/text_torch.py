"""The classifier of texts as PyTorch's operations: its embedding bag takes reviews end to end, unpadded."""

from __future__ import annotations

import torch
from torch.nn import functional


def logits(words: torch.Tensor, starts: torch.Tensor, table: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
    """Return ``(reviews,)``, before the sigmoid, for the reviews that begin at ``starts`` of ``words``."""
    w1, b1, w2, b2 = weights
    means = functional.embedding_bag(words, table, starts, mode="mean", sparse=table.requires_grad)
    return torch.addmm(b2, torch.addmm(b1, means, w1).relu(), w2)[:, 0]
