"""The article's TensorFlow 1: a graph with one update operation, run by a session once per epoch, in float32.

Every epoch crosses from Python into the runtime and fetches the weights: that crossing is most of its time.
"""

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
        error = tf.matmul(x, w) - y
        gradient = 2 / points * tf.matmul(tf.transpose(x), error)
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
