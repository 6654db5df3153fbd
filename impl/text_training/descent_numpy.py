"""Back-propagation by hand in NumPy, every array of the inner loop laid out beforehand.

Of the table, each step changes the rows of its words only, column by column: ``subtract.at`` has a fast path for one
dimension, seven times faster than for rows. The step size is a factor of the error that goes back, the smallest
array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from impl._shared.dense_numpy import Dense
from impl._shared.text_numpy import mean_into

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.text_training.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Cut the reviews apart and lay out the buffers of a batch."""
    texts = np.split(problem.words, problem.starts[1:-1])
    order = problem.order.tolist()
    longest, batch, width = max(map(len, texts)), problem.order.shape[1], problem.table.shape[1]
    dense = Dense.room(batch, problem.weights[1:])
    ones, vectors = np.ones(longest), np.empty((longest, width))
    x, change, wanted = np.empty((batch, width)), np.empty((batch, width)), np.empty((batch, 1))
    room = len(problem.words)
    words, reader, share = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)

    def run() -> tuple[NDArray[np.float64], ...]:
        table, *weights = (values.copy() for values in problem.weights)
        labels = problem.labels[:, None].astype(float)
        step = problem.step / batch
        for rows, reviews in zip(problem.order, order, strict=True):
            chosen = [texts[review] for review in reviews]
            mean_into(x, table, chosen, ones, vectors)
            dense.forward(x, weights)
            dense.sigmoid()
            labels.take(rows, 0, wanted, "clip")
            np.subtract(dense.output, wanted, dense.output)
            np.multiply(dense.output, step, dense.output)
            dense.backward(x, weights)
            np.matmul(dense.back, weights[0].T, change)
            dense.step(weights)
            end = 0
            for place, text in enumerate(chosen):
                start, end = end, end + len(text)
                words[start:end] = text
                reader[start:end] = place
                change[place] /= len(text)
            for k in range(width):
                change[:, k].take(reader[:end], 0, share[:end], "clip")
                np.subtract.at(table[:, k], words[:end], share[:end])
        return table, *weights

    return run
