"""Least squares agrees with the article, and its truth with NumPy's polynomial fit, which no contender uses."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import catalog
from tests.runs import prepared

problem_module = catalog.problem_module("least_squares")


def test_the_pseudo_inverse_answers_as_published() -> None:
    run = catalog.prepare("least_squares", "pinv_numpy", catalog.make("least_squares", "article"))
    assert str(run()) == "[2.99536719 2.00288672]"


def test_both_workloads_fit_the_same_line() -> None:
    descent = catalog.make("gradient_descent", "article")
    at_once = catalog.make("least_squares", "article")
    np.testing.assert_array_equal(descent.x, at_once.x)
    np.testing.assert_array_equal(descent.y, at_once.y)


@pytest.mark.parametrize("guess", [(0.0, 0.0), (3.0, 2.0), (-50.0, 9.0)])
def test_the_truth_does_not_depend_on_the_answer(guess: tuple[float, float]) -> None:
    problem = catalog.make("least_squares", "small")
    slope, intercept = np.polyfit(problem.x, problem.y, 1)
    np.testing.assert_allclose(problem_module.truth(problem, np.array(guess)), [intercept, slope], rtol=0, atol=1e-12)


@pytest.mark.parametrize("contender", catalog.contenders("least_squares"))
def test_the_large_size_is_solved_too(contender: str) -> None:
    problem = catalog.make("least_squares", "large")
    run = prepared("least_squares", contender, problem)
    problem_module.check(problem, run())
