"""Mini-batch gradient descent in pure Python: of the table, each step changes the rows of its words only."""

from __future__ import annotations

from operator import mul
from typing import TYPE_CHECKING

import numpy as np

from impl._shared.dense_python import affine, arrays, back, layers, relu, stepped
from impl._shared.text_python import mean, reviews, sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impl.text_training.problem import Problem, Run


def prepare(problem: Problem) -> Run:
    """Convert reviews to lists of words, and weights to lists of floats."""
    texts = reviews(problem.words.tolist(), problem.starts.tolist())
    labels, order = problem.labels.tolist(), problem.order.tolist()
    rows = problem.table.tolist()
    initial = layers(problem.weights[1:])

    def run() -> tuple[NDArray[np.float64], ...]:
        # Rows are replaced and never changed, so the list alone is copied.
        table = rows.copy()
        first, second = initial
        for batch in order:
            step = problem.step / len(batch)
            inputs = [mean([table[word] for word in texts[review]]) for review in batch]
            hidden = [relu(affine(x, first)) for x in inputs]
            errors = [
                [step * (sigmoid(affine(values, second)[0]) - labels[review])]
                for values, review in zip(hidden, batch, strict=True)
            ]
            inner = back(errors, second, hidden)
            weights = list(zip(*first[0], strict=True))
            for error, review in zip(inner, batch, strict=True):
                count = len(texts[review])
                change = [sum(map(mul, error, row)) / count for row in weights]
                for word in texts[review]:
                    table[word] = [value - part for value, part in zip(table[word], change, strict=True)]
            first, second = stepped(first, inputs, inner), stepped(second, hidden, errors)
        return np.array(table), *arrays((first, second))

    return run
