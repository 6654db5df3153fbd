"""Estimates and their bounds: by definition, and by simulation with fixed seeds."""

import itertools

import numpy as np
import pytest
from noises import Noise, bimodal, gaussian, heavy_tailed, monte_carlo_limit, shifted, tied
from paceline.gate import sequential
from paceline.gate.estimates import detectable, estimate, reach
from paceline.gate.verdict import Benchmark
from paceline.report.verdicts import Verdict
from scipy import stats


def test_interval_is_none_until_exact_bounds_exist() -> None:
    assert estimate([0.01] * 4).upper is None
    five = estimate([0.01, 0.02, 0.0, -0.01, 0.03])
    assert (five.low, five.high, five.upper) == (None, None, 0.03)
    six = estimate([0.01, 0.02, 0.0, -0.01, 0.03, 0.05])
    assert (six.low, six.high) == (-0.01, 0.05)
    with pytest.raises(ValueError, match="no rounds"):
        estimate([])


@pytest.mark.parametrize("noise", [gaussian, tied])
@pytest.mark.parametrize("rounds", [6, 7, 12, 25, 40])
def test_bounds_are_what_the_signed_rank_test_does_not_reject(noise: Noise, rounds: int) -> None:
    values = noise(np.random.default_rng(rounds), rounds)
    averages = np.sort([(a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2)])
    law = np.ones(1)  # of the sum of ranks
    for rank in range(1, rounds + 1):
        law = np.convolve(law, [0.5, *[0.0] * (rank - 1), 0.5])
    seen = estimate(values)
    assert seen.value == pytest.approx(np.median(averages), abs=1e-15)
    for level, bound in ((0.025, seen.high), (0.05, seen.upper)):
        left_out = int((law.cumsum() <= level).sum()) - 1
        assert bound == pytest.approx(averages[-1 - left_out], abs=1e-15)
    mirrored = estimate([-value for value in values])
    assert mirrored.high is not None
    assert seen.low == pytest.approx(-mirrored.high, abs=1e-15)


@pytest.mark.parametrize("noise", [gaussian, heavy_tailed, bimodal])
@pytest.mark.parametrize("rounds", [5, 6, 9, 14])
def test_bounds_cover_the_truth(noise: Noise, rounds: int) -> None:
    rng = np.random.default_rng(rounds)
    truth, trials = 0.05, 600
    misses_upper = misses_interval = 0
    for _ in range(trials):
        seen = estimate(shifted(noise(rng, rounds), truth))
        assert seen.upper is not None
        misses_upper += seen.upper < truth
        if seen.low is not None and seen.high is not None:
            misses_interval += not seen.low <= truth <= seen.high
    assert misses_upper <= monte_carlo_limit(0.05, trials)
    assert misses_interval <= monte_carlo_limit(0.05, trials)


def test_estimate_shrugs_off_a_gross_outlier() -> None:
    values = [0.0, 0.01, -0.01, 0.005, -0.005, 0.002, 0.001, 1.0]
    assert abs(estimate(values).value) < 0.01


@pytest.mark.parametrize(("spread", "rounds"), [(0.01, 5), (0.05, 5), (0.05, 99)])
def test_what_a_gate_calls_detectable_nine_gates_in_ten_find(spread: float, rounds: int) -> None:
    """By the gate's own rules, looks and tolerance included; each gate has its own rounds to tell it from."""
    rng, plan, gates, limit = np.random.default_rng(9), sequential.plan(0.01 / 9), 150, np.log1p(0.03)
    found = 0
    for _ in range(gates):
        told = detectable(rng.normal(0, spread, rounds).tolist(), plan, limit)
        assert told is not None
        benchmark = Benchmark("it", plan, 0.03)
        while benchmark.verdict is None:
            benchmark.take(rng.normal(told, spread))
        found += benchmark.verdict is Verdict.SLOWER
    assert found >= 0.9 * gates - 3 * np.sqrt(gates * 0.9 * 0.1)
    assert detectable([0.0, 0.1], plan, limit) is None


@pytest.mark.parametrize("rounds", [3, 8, 32])
def test_reach_agrees_with_numpy_and_scipy(rounds: int) -> None:
    values = np.random.default_rng(rounds).normal(0.01, 0.02, rounds)
    plan = sequential.plan(0.01 / 30)
    first, second = np.triu_indices(rounds, 1)
    spread = 1.0483 * np.median(np.abs(values[first] - values[second])) * (1 + 2 / rounds)
    errors = stats.norm.isf(plan.level / 2) + stats.norm.isf(0.1)
    assert reach(values.tolist(), plan) == pytest.approx(
        1.3 * errors * spread * np.sqrt(np.pi / 3 / plan.rounds), rel=1e-12
    )
