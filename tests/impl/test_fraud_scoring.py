"""The scoring truth agrees with decimal arithmetic of 40 digits, and its weights are the principal components."""

from __future__ import annotations

import functools
import tracemalloc
from decimal import Decimal, localcontext

import numpy as np
import pytest

from benchmarks import catalog
from tests import runs

problem_module = catalog.problem_module("fraud_scoring")

CONTENDERS = catalog.contenders("fraud_scoring")


prepared = functools.partial(runs.prepared, "fraud_scoring")


def decimal_tanh(z: Decimal) -> Decimal:
    up, down = z.exp(), (-z).exp()
    return (up - down) / (up + down)


def decimal_error(weights: list[Decimal], payment: list[Decimal]) -> Decimal:
    """Return the mean squared error of reconstruction, unit by unit."""
    values, rest = payment, iter(weights)
    for width, is_tanh in ((14, True), (7, False), (7, True), (29, False)):
        kernel = [[next(rest) for _ in range(width)] for _ in values]
        sums = [
            sum((v * row[unit] for v, row in zip(values, kernel, strict=True)), next(rest)) for unit in range(width)
        ]
        values = [decimal_tanh(z) if is_tanh else max(Decimal(0), z) for z in sums]
    return sum(((y - x) ** 2 for y, x in zip(values, payment, strict=True)), Decimal(0)) / 29


def test_the_truth_is_what_forty_digits_give() -> None:
    problem = problem_module.make((8,))
    with localcontext(prec=40):
        weights = [Decimal(weight) for weight in problem.weights.tolist()]
        exact = [float(decimal_error(weights, list(map(Decimal, row)))) for row in problem.payments.tolist()]
    np.testing.assert_allclose(problem_module.truth(problem).astype(float), exact, rtol=1e-14, atol=0)


def test_the_weights_reconstruct_as_principal_components_do() -> None:
    problem = catalog.make("fraud_scoring", "article")
    normal = problem.payments[~problem.fraud]
    centred = normal - normal.mean(0)
    components = np.linalg.svd(centred[:5_000], full_matrices=False)[2][:7]
    linear = np.square(centred - centred @ components.T @ components).mean()
    scored = float(problem_module.truth(problem)[~problem.fraud].mean())
    assert linear < scored < 2 * linear


@pytest.mark.parametrize("size", ["small", "article"])
def test_frauds_score_higher(size: str) -> None:
    problem = catalog.make("fraud_scoring", size)
    assert problem_module.quality(problem, problem_module.truth(problem))[1] > 0.98


@pytest.mark.parametrize("contender", CONTENDERS)
def test_an_odd_number_of_payments_will_do(contender: str) -> None:
    problem = problem_module.make((1_025,))
    problem_module.check(problem, prepared(contender, problem)())


@pytest.mark.parametrize("payments", [511, 512, 513])
def test_blocks_that_are_full_and_not(payments: int) -> None:
    problem = problem_module.make((payments,))
    problem_module.check(problem, prepared("blocks_numpy", problem)())


@pytest.mark.slow
@pytest.mark.parametrize("contender", [name for name in CONTENDERS if not name.endswith("_python")])
def test_the_articles_size_is_scored_too(contender: str) -> None:
    problem = catalog.make("fraud_scoring", "article")
    problem_module.check(problem, prepared(contender, problem)())


def test_numpy_allocates_nothing_but_the_answer() -> None:
    problem = problem_module.make((20_000,))
    run = prepared("blocks_numpy", problem)
    run()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000 * 8 + 4_000


def test_keras_computes_in_double_precision_whatever_ran_before() -> None:
    keras = pytest.importorskip("keras")
    keras.config.set_dtype_policy("float32")  # as any use of Keras outside of the suite leaves it
    problem = problem_module.make((1000,))
    problem_module.check(problem, prepared("keras_predict_tensorflow", problem)())
    assert keras.config.dtype_policy().name == keras.config.floatx() == "float32"


def test_tensorflow_traces_once() -> None:
    run = prepared("graph_tensorflow", catalog.make("fraud_scoring", "tiny"))
    compiled = catalog.contender_module("fraud_scoring", "graph_tensorflow").score
    run()
    traces = compiled.experimental_get_tracing_count()
    run()
    prepared("graph_tensorflow", catalog.make("fraud_scoring", "tiny"))()
    assert compiled.experimental_get_tracing_count() == traces
