"""Where PyTorch's contenders put their tensors: other frameworks choose a GPU by themselves, where one is visible."""

from __future__ import annotations

import os

import torch


def device() -> torch.device:
    """Return the GPU if the variable DEVICE asks for it, or else the CPU."""
    return torch.device("cuda" if os.environ.get("DEVICE") == "gpu" else "cpu")
