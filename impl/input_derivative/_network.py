"""The network itself, for whoever differentiates it by machine: any array that knows ``@`` and ``+`` will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def outputs(x: Any, layers: Sequence[tuple[Any, Any]], tanh: Callable[[Any], Any]) -> Any:
    """Return the outputs ``(batch, outputs)`` for ``x`` ``(batch, inputs)``, in the framework that ``tanh`` is of."""
    *hidden, (weights, bias) = layers
    for into, offset in hidden:
        x = tanh(x @ into + offset)
    return x @ weights + bias
