"""Gradient descent agrees with the article to every printed digit, and its truth with arithmetic done another way."""

from __future__ import annotations

import dataclasses
import runpy
import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import catalog
from tests.runs import prepared

problem_module = catalog.problem_module("gradient_descent")


def answer(contender: str, size: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.floating]]:
    """Return what ``contender`` answers at ``size``, skipping the test where it cannot run."""
    problem = problem_module.make(size)
    run = prepared("gradient_descent", contender, problem)
    result: np.ndarray[tuple[int], np.dtype[np.floating]] = run()
    return result


def test_cupys_expressions_are_right_on_numpys_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(asarray=np.asarray, asnumpy=np.asarray))
    contender = runpy.run_path(str(catalog.IMPL / "gradient_descent" / "with_cupy.py"))
    problem = catalog.make("gradient_descent", "small")
    problem_module.check(problem, contender["prepare"](problem)())


def test_the_article_size_is_the_articles() -> None:
    problem = catalog.make("gradient_descent", "article")
    np.random.seed(444)  # noqa: NPY002 - as in the article
    noise = 0.1 * np.random.randn(10_000)  # noqa: NPY002
    np.testing.assert_array_equal(problem.x, np.linspace(0, 2, 10_000))
    np.testing.assert_array_equal(problem.y, 3 + 2 * problem.x + noise)
    assert (problem.step, problem.epochs) == (0.001, 10_000)


@pytest.mark.slow
def test_pure_python_answers_as_published() -> None:
    published = [2.959859852416156, 2.0329649630002757]
    weights = answer("article_python", problem_module.SIZES["article"]).tolist()
    if sys.version_info < (3, 12):
        assert weights == published
    else:  # 3.12's sum() of floats compensates its rounding
        np.testing.assert_allclose(weights, published, rtol=0, atol=1e-12)


def test_numpy_answers_as_published() -> None:
    assert str(answer("article_numpy", problem_module.SIZES["article"])) == "[2.95985985 2.03296496]"


@pytest.mark.parametrize("contender", ["article_tensorflow", "article_tensorflow_gradients"])
def test_tensorflow_answers_as_published(contender: str) -> None:
    weights = answer(contender, problem_module.SIZES["article"])
    assert weights.dtype == np.float32
    assert str(weights) == "[2.9598553 2.032969 ]"


def test_the_closed_form_is_what_exact_iteration_gives() -> None:
    problem = problem_module.make((7, 12))
    x, y = ([Fraction(value) for value in values.tolist()] for values in (problem.x, problem.y))
    scale = 2 * Fraction(problem.step) / len(x)
    w0 = w1 = Fraction(0)
    for _ in range(problem.epochs):
        error = [yi - w0 - w1 * xi for xi, yi in zip(x, y, strict=True)]
        w0, w1 = w0 + scale * sum(error), w1 + scale * sum(e * xi for e, xi in zip(error, x, strict=True))
    np.testing.assert_allclose(problem_module.truth(problem), [float(w0), float(w1)], rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", ["tiny", "small", "article"])
@pytest.mark.parametrize("off", [-1, 1])
def test_an_epoch_too_few_or_too_many_is_refused(size: str, off: int) -> None:
    problem = catalog.make("gradient_descent", size)
    other = dataclasses.replace(problem, epochs=problem.epochs + off)
    with pytest.raises(AssertionError, match="not those of gradient descent"):
        problem_module.check(problem, problem_module.truth(other))


@pytest.mark.parametrize("off", [-20, 20])
def test_single_precision_cannot_hide_twenty_epochs(off: int) -> None:
    problem = catalog.make("gradient_descent", "article")
    other = dataclasses.replace(problem, epochs=problem.epochs + off)
    with pytest.raises(AssertionError, match="not those of gradient descent"):
        problem_module.check(problem, problem_module.truth(other).astype(np.float32))


@pytest.mark.parametrize("points", [1, 2, 3, 5, 1003])
@pytest.mark.parametrize("contender", catalog.contenders("gradient_descent"))
def test_any_number_of_points_will_do(contender: str, points: int) -> None:
    if points == 1:  # a single point has no second curvature, so the closed form is not unique: the iteration is
        assert np.isfinite(answer(contender, (points, 3))).all()
    else:
        problem_module.check(problem_module.make((points, 9)), answer(contender, (points, 9)))


@pytest.mark.parametrize("epochs", [0, 1])
@pytest.mark.parametrize("contender", catalog.contenders("gradient_descent"))
def test_no_epoch_and_one_epoch(contender: str, epochs: int) -> None:
    problem_module.check(problem_module.make((20, epochs)), answer(contender, (20, epochs)))


def test_tensorflow_traces_once_for_all_problems_of_one_size() -> None:
    pytest.importorskip("tensorflow")
    module = catalog.contender_module("gradient_descent", "with_tensorflow")
    module.prepare(problem_module.make((37, 3)))()
    before = module.descend.experimental_get_tracing_count()
    for epochs in (3, 5):
        run = module.prepare(problem_module.make((37, epochs)))
        run()
        run()
    assert module.descend.experimental_get_tracing_count() == before
