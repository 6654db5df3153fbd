"""Training on images: the truth against finite differences, the quality bar, and what the contenders promise."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest

from benchmarks import catalog
from tests.runs import prepared

problem_module = catalog.problem_module("image_training")


def test_complex_steps_agree_with_finite_differences() -> None:
    problem = dataclasses.replace(catalog.make("image_training", "tiny"), step=1.0)
    problem = dataclasses.replace(problem, order=problem.order[:1])
    images, labels = problem.images[problem.order[0]] * problem.scale, problem.labels[problem.order[0]]
    for place, (before, after) in enumerate(zip(problem.weights, problem_module.truth(problem), strict=True)):
        for index in np.ndindex(before.shape):
            ends = []
            for h in (1e-6, -1e-6):
                weights = [values.copy() for values in problem.weights]
                weights[place][index] += h
                ends.append(problem_module.cross_entropy(weights, images, labels).real)
            assert before[index] - after[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("steps", [8, 10])
def test_a_step_too_few_or_too_many_is_refused(steps: int) -> None:
    problem = catalog.make("image_training", "tiny")
    order = np.concatenate((problem.order, problem.order[:1]))[:steps]
    other = tuple(problem_module.truth(dataclasses.replace(problem, order=order)))
    with pytest.raises(AssertionError, match="not those of gradient descent"):
        problem_module.check(problem, other)


@pytest.mark.parametrize("size", ["tiny", "small", "article"])
def test_untrained_weights_are_refused(size: str) -> None:
    problem = catalog.make("image_training", size)
    with pytest.raises(AssertionError):
        problem_module.check(problem, problem.weights)


def test_batches_cover_every_image_once_an_epoch() -> None:
    problem = catalog.make("image_training", "tiny")
    counts = np.bincount(problem.order.ravel(), minlength=len(problem.images))
    np.testing.assert_array_equal(counts, 3)
    with pytest.raises(ValueError, match="whole batches"):
        problem_module.make(("made", (9, 7, 4), 25, 8, 1))


@pytest.mark.parametrize("contender", catalog.contenders("image_training"))
def test_at_small_all_contenders_reach_the_same_weights(contender: str) -> None:
    problem = catalog.make("image_training", "small")
    expected = catalog.prepare("image_training", "descent_numpy", problem)()
    answer = prepared("image_training", contender, problem)()
    for values, right in zip(answer, expected, strict=True):
        np.testing.assert_allclose(values, right, rtol=0, atol=1e-10)


def test_numpy_allocates_nothing_in_the_inner_loop() -> None:
    problem = catalog.make("image_training", "small")
    longer = dataclasses.replace(problem, order=np.concatenate([problem.order] * 5))
    peaks = []
    for each in (problem, longer):
        run = catalog.prepare("image_training", "descent_numpy", each)
        run()
        tracemalloc.start()
        run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    weights = sum(values.nbytes for values in problem.weights)
    # NumPy itself takes, and frees, as much as one hidden layer where it broadcasts a bias; a gradient is far more.
    assert peaks[1] - peaks[0] < 1_000
    assert max(peaks) - weights < problem.w1.nbytes / 3


def test_tensorflow_traces_once_for_all_problems_of_the_same_shapes() -> None:
    pytest.importorskip("tensorflow")
    module = catalog.contender_module("image_training", "descent_tensorflow")
    problem = catalog.make("image_training", "tiny")
    module.prepare(problem)()
    before = module.descend.experimental_get_tracing_count()
    other = dataclasses.replace(problem, step=0.5)
    for each in (problem, other):
        run = module.prepare(each)
        run()
        run()
    assert module.descend.experimental_get_tracing_count() == before
