"""The training truth agrees with derivatives taken another way, and no training step wastes what it need not."""

from __future__ import annotations

import dataclasses
import functools
import tracemalloc
from typing import Any

import numpy as np
import pytest

from benchmarks import catalog
from tests import runs
from tests.runs import fastest

problem_module = catalog.problem_module("fraud_training")

CONTENDERS = catalog.contenders("fraud_training")


prepared = functools.partial(runs.prepared, "fraud_training")


def loss(weights: np.ndarray[Any, Any], batch: np.ndarray[Any, Any]) -> float:
    """Return the mean squared error of reconstruction, layer by layer as the notebook writes them."""
    cuts = np.cumsum([29 * 14, 14, 14 * 7, 7, 7 * 7, 7, 7 * 29])
    w1, b1, w2, b2, w3, b3, w4, b4 = np.split(weights, cuts)
    encoder1 = np.tanh(batch @ w1.reshape(29, 14) + b1)
    encoder2 = np.clip(encoder1 @ w2.reshape(14, 7) + b2, 0, None)
    decoder1 = np.tanh(encoder2 @ w3.reshape(7, 7) + b3)
    decoder2 = np.clip(decoder1 @ w4.reshape(7, 29) + b4, 0, None)
    return float(((batch - decoder2) ** 2).mean())


def test_the_truth_is_what_finite_differences_give() -> None:
    problem = problem_module.make((1, 6, 1))
    (batch,) = problem.batches
    steps = 1e-6 * np.eye(problem_module.WEIGHTS)
    gradient = [(loss(problem.initial + step, batch) - loss(problem.initial - step, batch)) / 2e-6 for step in steps]
    expected = problem.initial - problem.rate * np.array(gradient)
    np.testing.assert_allclose(problem_module.truth(problem), [expected], rtol=0, atol=1e-8)


@pytest.mark.parametrize("contender", CONTENDERS)
def test_every_single_step_is_right(contender: str) -> None:
    """One batch an epoch: the answer is the whole trajectory."""
    problem = problem_module.make((1, 4, 6))
    problem_module.check(problem, prepared(contender, problem)())


@pytest.mark.parametrize("contender", CONTENDERS)
def test_batches_of_a_single_payment_will_do(contender: str) -> None:
    problem = problem_module.make((5, 1, 1))
    problem_module.check(problem, prepared(contender, problem)())


@pytest.mark.parametrize("contender", problem_module.BASELINES)
def test_batches_in_another_order_are_refused(contender: str) -> None:
    problem = catalog.make("fraud_training", "tiny")
    other = dataclasses.replace(problem, batches=problem.batches[::-1].copy())
    with pytest.raises(AssertionError, match="not those of gradient descent"):
        problem_module.check(problem, prepared(contender, other)())


@pytest.mark.parametrize("field", ["epochs", "rate"])
def test_another_rate_or_number_of_epochs_is_refused(field: str) -> None:
    problem = catalog.make("fraud_training", "tiny")
    other = dataclasses.replace(problem, **{field: getattr(problem, field) * 2})
    with pytest.raises(AssertionError):
        problem_module.check(problem, problem_module.truth(other))


@pytest.mark.slow
@pytest.mark.parametrize("contender", [name for name in CONTENDERS if not name.endswith("_python")])
def test_training_at_the_articles_size_tells_frauds_apart(contender: str) -> None:
    problem = catalog.make("fraud_training", "article")
    answer = prepared(contender, problem)()
    problem_module.check(problem, answer)
    assert problem_module.quality(problem, answer)[1] > 0.98


def test_a_network_that_did_not_learn_is_refused() -> None:
    problem = catalog.make("fraud_training", "article")
    untrained = np.tile(problem.initial, (problem.epochs, 1))
    assert problem_module.quality(problem, untrained)[1] < 0.7
    with pytest.raises(AssertionError, match="after epoch 1"):
        problem_module.check(problem, untrained)


def test_every_epoch_has_to_be_good() -> None:
    problem = problem_module.make((1_777, 128, 2))
    answer = prepared("backprop_numpy", problem)()
    problem_module.check(problem, answer)
    answer[0] = problem.initial
    with pytest.raises(AssertionError, match="after epoch 1"):
        problem_module.check(problem, answer)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.8, 0.4, 0.9])
    fraud = np.array([False, False, False, False, True, True])
    pairs = [1.0 * (f > n) + 0.5 * (f == n) for f in scores[fraud] for n in scores[~fraud]]
    assert problem_module.auc(scores, fraud) == pytest.approx(np.mean(pairs))


def test_frauds_differ_from_normal_payments_by_their_correlations_alone() -> None:
    problem = catalog.make("fraud_training", "tiny")
    normal, frauds = problem.held_out[~problem.fraud], problem.held_out[problem.fraud]
    np.testing.assert_allclose(frauds.mean(0), normal.mean(0), atol=0.15)
    np.testing.assert_allclose(frauds.std(0), normal.std(0), rtol=0.2)
    off_diagonal = ~np.eye(29, dtype=bool)
    assert np.abs(np.corrcoef(normal.T)[off_diagonal]).mean() > 0.3
    assert np.abs(np.corrcoef(frauds.T)[off_diagonal]).mean() < 0.06


def test_numpy_allocates_nothing_in_the_loop() -> None:
    peaks = []
    for batches in (2, 200):
        run = prepared("backprop_numpy", problem_module.make((batches, 64, 1)))
        run()
        tracemalloc.start()
        run()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A batch's temporaries would be tens of kilobytes, freed or not; nothing may grow with the batches either.
    answer_and_weights = 3 * 8 * problem_module.WEIGHTS
    assert max(peaks) < answer_and_weights + 8_000
    assert abs(peaks[1] - peaks[0]) < 2_000


@pytest.mark.parametrize(("contender", "function"), [("step_tensorflow", "step"), ("epoch_tensorflow", "train")])
def test_tensorflow_traces_once(contender: str, function: str) -> None:
    run = prepared(contender, catalog.make("fraud_training", "tiny"))
    compiled = getattr(catalog.contender_module("fraud_training", contender), function)
    run()
    traces = compiled.experimental_get_tracing_count()
    run()
    prepared(contender, catalog.make("fraud_training", "tiny"))()
    assert compiled.experimental_get_tracing_count() == traces


def test_keras_traces_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepared("keras_fit_tensorflow", catalog.make("fraud_training", "tiny"))
    keras = pytest.importorskip("keras")

    calls = []
    call = keras.layers.Dense.call

    def counted(*args: Any, **more: Any) -> Any:
        calls.append(args)
        return call(*args, **more)

    monkeypatch.setattr(keras.layers.Dense, "call", counted)
    run()
    assert calls  # the first run traces
    traced = len(calls)
    run()
    assert len(calls) == traced


def test_keras_leaves_the_process_in_the_precision_that_it_found() -> None:
    run = prepared("keras_fit_tensorflow", catalog.make("fraud_training", "tiny"))
    keras = pytest.importorskip("keras")

    run()
    assert keras.config.floatx() == "float32"


@pytest.mark.slow
def test_compiling_the_epoch_is_faster_than_calling_the_step() -> None:
    problem = problem_module.make((200, 128, 1))
    step, epoch = fastest(*(prepared(each, problem) for each in ("step_tensorflow", "epoch_tensorflow")), rounds=3)
    assert step > 1.5 * epoch
