"""Training on texts: the truth against finite differences, the quality bar, and what the contenders promise."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest

from benchmarks import catalog
from tests.runs import prepared

problem_module = catalog.problem_module("text_training")


def test_complex_steps_agree_with_finite_differences() -> None:
    problem = catalog.make("text_training", "tiny")
    rows = problem.order[0]
    after = problem_module.truth(dataclasses.replace(problem, step=1.0, order=problem.order[:1]))
    shares = problem_module.incidence(problem.words, problem.starts, len(problem.table))[rows]
    for place, before in enumerate(problem.weights):
        for index in np.ndindex(before.shape):
            ends = []
            for h in (1e-6, -1e-6):
                weights = [values.copy() for values in problem.weights]
                weights[place][index] += h
                ends.append(problem_module.cross_entropy(weights, shares, problem.labels[rows]).real)
            assert before[index] - after[place][index] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("steps", [8, 10])
def test_a_step_too_few_or_too_many_is_refused(steps: int) -> None:
    problem = catalog.make("text_training", "tiny")
    order = np.concatenate((problem.order, problem.order[:1]))[:steps]
    other = tuple(problem_module.truth(dataclasses.replace(problem, order=order)))
    with pytest.raises(AssertionError, match="not those of gradient descent"):
        problem_module.check(problem, other)


@pytest.mark.parametrize("size", ["tiny", "small", "article"])
def test_untrained_weights_are_refused(size: str) -> None:
    problem = catalog.make("text_training", size)
    with pytest.raises(AssertionError):
        problem_module.check(problem, problem.weights)


@pytest.mark.parametrize("size", ["tiny", "small", "article"])
def test_reviews_vary_in_length_and_leave_zero_to_padding(size: str) -> None:
    problem = catalog.make("text_training", size)
    longest = problem_module.SIZES[size][2]
    lengths = np.diff(problem.starts)
    assert (lengths.min(), lengths.max()) == ((longest + 1) // 2, longest)
    assert lengths.sum() == len(problem.words)
    assert problem.words.min() == 1
    assert problem.words.max() < len(problem.table)


@pytest.mark.parametrize("contender", catalog.contenders("text_training"))
def test_at_small_all_contenders_reach_the_same_weights(contender: str) -> None:
    problem = catalog.make("text_training", "small")
    expected = catalog.prepare("text_training", "descent_numpy", problem)()
    answer = prepared("text_training", contender, problem)()
    for values, right in zip(answer, expected, strict=True):
        np.testing.assert_allclose(values, right, rtol=0, atol=1e-10)


def test_numpy_allocates_nothing_in_the_inner_loop() -> None:
    problem = catalog.make("text_training", "small")
    longer = dataclasses.replace(problem, order=np.concatenate([problem.order] * 3))
    beyond = []
    for each in (problem, longer):
        run = catalog.prepare("text_training", "descent_numpy", each)
        run()
        tracemalloc.start()
        run()
        beyond.append(tracemalloc.get_traced_memory()[1] - sum(values.nbytes for values in problem.weights))
        tracemalloc.stop()
    # Labels as floats, views, and what NumPy itself takes and frees: the vectors of one batch's words are far more.
    assert beyond[1] - beyond[0] < 1_000
    assert max(beyond) < len(problem.words) / len(problem.order) * problem.table.shape[1] * 8


def test_tensorflow_traces_once_for_all_problems_of_the_same_shapes() -> None:
    pytest.importorskip("tensorflow")
    module = catalog.contender_module("text_training", "descent_tensorflow")
    problem = catalog.make("text_training", "tiny")
    module.prepare(problem)()
    before = module.descend.experimental_get_tracing_count()
    for each in (problem, dataclasses.replace(problem, step=0.5)):
        run = module.prepare(each)
        run()
        run()
    assert module.descend.experimental_get_tracing_count() == before
