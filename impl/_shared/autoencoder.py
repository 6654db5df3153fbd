"""The autoencoder of the fraud workloads for every framework that lends its ``reshape``, ``tanh`` and ``relu``.

One home for the network's shape and for its forward pass; what frameworks differ in is handed in, so that this
module imports none of them. The truths of the workloads use neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: What each dense layer reads and gives.
SHAPES = ((29, 14), (14, 7), (7, 7), (7, 29))


def layers(weights: Any, reshape: Callable[[Any, tuple[int, int]], Any]) -> list[Any]:
    """Cut the vector ``weights``, shape ``(813,)``, into a matrix a layer: the kernel and, as last row, the bias."""
    matrices = []
    start = 0
    for fan_in, fan_out in SHAPES:
        stop = start + (fan_in + 1) * fan_out
        matrices.append(reshape(weights[start:stop], (fan_in + 1, fan_out)))
        start = stop
    return matrices


def kernels_and_biases(weights: Any, reshape: Callable[[Any, tuple[int, int]], Any]) -> list[tuple[Any, Any]]:
    """Cut the vector ``weights``, shape ``(813,)``, into four pairs of shapes ``(fan_in, fan_out), (fan_out,)``."""
    return [(matrix[:-1], matrix[-1]) for matrix in layers(weights, reshape)]


def reconstruct(
    pairs: Iterable[tuple[Any, Any]], payments: Any, tanh: Callable[[Any], Any], relu: Callable[[Any], Any]
) -> Any:
    """Return what the network makes of ``payments``, both ``(payments, 29)``."""
    values = payments
    for (kernel, bias), activation in zip(pairs, (tanh, relu, tanh, relu), strict=True):
        values = activation(values @ kernel + bias)
    return values
