"""The article's second TensorFlow 1: as the first, but the gradient is derived from the loss by ``tf.gradients``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.gradient_descent.problem import Problem, Run

tf1 = tf.compat.v1


def prepare(problem: Problem) -> Run:
    """Build the graph and open the session."""
    points, step, epochs = len(problem.x), problem.step, problem.epochs
    graph = tf.Graph()
    with graph.as_default():
        x = tf.constant(np.column_stack((np.ones(points), problem.x)), tf.float32)
        y = tf.constant(problem.y[:, None], tf.float32)
        w = tf1.Variable(tf.zeros((2, 1)))
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - y))
        (gradient,) = tf.gradients(loss, w)
        update = tf1.assign(w, w - step * gradient)
        initialise = tf1.global_variables_initializer()
    session = tf1.Session(graph=graph)

    def run() -> NDArray[np.float32]:
        session.run(initialise)
        for _ in range(epochs):
            session.run(update)
        weights: NDArray[np.float32] = session.run(w).ravel()
        return weights

    return run
