"""``with_tensorflow`` in float64, like the data: what it costs to be as precise as NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from impl.gradient_descent import with_tensorflow

if TYPE_CHECKING:
    from impl.gradient_descent.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Move the data into one float64 tensor; the first run compiles."""
    return with_tensorflow.prepare(problem, tf.float64)
