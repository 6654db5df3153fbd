"""Predicting texts: the truth against plain arithmetic in exact sums, and what the contenders promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import catalog
from tests.runs import prepared

problem_module = catalog.problem_module("text_prediction")


def test_the_truth_is_what_exact_sums_give() -> None:
    problem = catalog.make("text_prediction", "tiny")
    expected = []
    for words in np.split(problem.words, problem.starts[1:-1]):
        mean = [math.fsum(column[words]) / len(words) for column in problem.table.T]
        hidden = [
            max(0.0, math.fsum([bias, *(a * b for a, b in zip(mean, column, strict=True))]))
            for column, bias in zip(problem.w1.T.tolist(), problem.b1.tolist(), strict=True)
        ]
        products = (a * b for a, b in zip(hidden, problem.w2[:, 0].tolist(), strict=True))
        expected.append(1 / (1 + math.exp(-math.fsum([problem.b2[0], *products]))))
    np.testing.assert_allclose(problem_module.truth(problem), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("contender", catalog.contenders("text_prediction"))
@pytest.mark.parametrize("size", [((12, 4, 5), 1, 6), ((12, 4, 5), 33, 1), ((50, 16, 16), 7, 300)])
def test_any_number_and_length_of_reviews_will_do(
    contender: str, size: tuple[tuple[int, int, int], int, int]
) -> None:
    problem = problem_module.make(size)
    run = prepared("text_prediction", contender, problem)
    problem_module.check(problem, run())


def test_tensorflow_traces_once() -> None:
    pytest.importorskip("tensorflow")
    module = catalog.contender_module("text_prediction", "forward_tensorflow")
    problem = catalog.make("text_prediction", "tiny")
    module.prepare(problem)()
    before = module.predict.experimental_get_tracing_count()
    for _ in range(2):
        run = module.prepare(problem)
        run()
        run()
    assert module.predict.experimental_get_tracing_count() == before
