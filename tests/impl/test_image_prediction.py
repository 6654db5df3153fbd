"""Predicting images: the truth against plain arithmetic in exact sums, and what the contenders promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import catalog
from tests.runs import prepared

problem_module = catalog.problem_module("image_prediction")


def test_the_truth_is_what_exact_sums_give() -> None:
    problem = catalog.make("image_prediction", "tiny")
    expected = []
    for image in problem.images.tolist():
        x = [pixel * problem.scale for pixel in image]
        hidden = [
            max(0.0, math.fsum([bias, *(a * b for a, b in zip(x, column, strict=True))]))
            for column, bias in zip(problem.w1.T.tolist(), problem.b1.tolist(), strict=True)
        ]
        powers = [
            math.exp(math.fsum([bias, *(a * b for a, b in zip(hidden, column, strict=True))]))
            for column, bias in zip(problem.w2.T.tolist(), problem.b2.tolist(), strict=True)
        ]
        expected.append([power / math.fsum(powers) for power in powers])
    np.testing.assert_allclose(problem_module.truth(problem), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_probabilities_add_up_and_differ(size: str) -> None:
    truth = problem_module.truth(catalog.make("image_prediction", size))
    np.testing.assert_allclose(truth.sum(axis=1), 1, rtol=0, atol=1e-14)
    assert truth.std(axis=0).min() > 1e-3


@pytest.mark.parametrize("contender", catalog.contenders("image_prediction"))
@pytest.mark.parametrize("count", [1, 249, 250, 251, 1001])
def test_any_number_of_images_will_do(contender: str, count: int) -> None:
    problem = problem_module.make(("made", (9, 7, 4), count))
    run = prepared("image_prediction", contender, problem)
    problem_module.check(problem, run())


def test_more_digits_than_there_are() -> None:
    with pytest.raises(ValueError, match="the digits are 1797 images of 64 pixels"):
        problem_module.make(("digits", (64, 128, 10), 1798))


def test_tensorflow_traces_once() -> None:
    pytest.importorskip("tensorflow")
    module = catalog.contender_module("image_prediction", "forward_tensorflow")
    problem = catalog.make("image_prediction", "tiny")
    module.prepare(problem)()
    before = module.predict.experimental_get_tracing_count()
    for _ in range(2):
        run = module.prepare(problem)
        run()
        run()
    assert module.predict.experimental_get_tracing_count() == before
