"""An answer is an array or a tuple of arrays: what the generic tests need to look at every number in it."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def outputs(answer: Any) -> tuple[Array, ...]:
    """Return the arrays of which ``answer`` is made."""
    return answer if isinstance(answer, tuple) else (answer,)


def with_output(answer: Any, index: int, value: object) -> object:
    """Return ``answer`` with ``value`` in place of its output number ``index``."""
    if not isinstance(answer, tuple):
        return value
    return (*answer[:index], value, *answer[index + 1 :])
