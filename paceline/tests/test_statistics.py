"""The promises of the statistics, checked by simulation with fixed seeds and against SciPy."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from paceline.gate import statistics
from paceline.gate.finding import Verdict
from paceline.gate.verdict import Benchmark
from scipy import stats

from paceline import curve

Noise = Callable[[np.random.Generator, int], statistics.Floats]


def gaussian(rng: np.random.Generator, rounds: int) -> statistics.Floats:
    return rng.normal(0, 0.015, rounds)


def heavy_tailed(rng: np.random.Generator, rounds: int) -> statistics.Floats:
    values: statistics.Floats = 0.01 * rng.standard_t(1.2, rounds)
    return values


def bimodal(rng: np.random.Generator, rounds: int) -> statistics.Floats:
    """Either process may be slow for its whole life."""
    slow = 0.5 * (rng.random((2, rounds)) < 0.03)
    values: statistics.Floats = rng.normal(0, 0.01, rounds) + slow[0] - slow[1]
    return values


def autocorrelated(rng: np.random.Generator, rounds: int) -> statistics.Floats:
    """Sizes that drift together; the coins that we toss stay independent."""
    level = np.cumsum(rng.normal(0, 0.5, rounds))
    values: statistics.Floats = np.exp(level) * rng.choice([-0.01, 0.01], rounds)
    return values


NOISES = [gaussian, heavy_tailed, bimodal, autocorrelated]


def rejected(values: statistics.Floats, plan: statistics.Plan) -> statistics.Direction | None:
    return statistics.Monitor(plan).update(values)


def monte_carlo_limit(level: float, trials: int) -> float:
    """Count of false alarms that a true rate of `level` exceeds once in a thousand runs."""
    return float(stats.binom.isf(1e-3, trials, level))


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("test", [statistics.signed_rank_p, statistics.sign_p])
def test_single_look_keeps_its_level(noise: Noise, test: Callable[[statistics.Floats], float]) -> None:
    rng = np.random.default_rng(1)
    trials = 1000
    alarms = sum(test(noise(rng, 11)) <= 0.05 for _ in range(trials))
    assert alarms <= monte_carlo_limit(0.05, trials)


@pytest.mark.parametrize("noise", NOISES)
def test_looking_early_and_often_keeps_the_level(noise: Noise) -> None:
    rng = np.random.default_rng(2)
    plan = statistics.plan(0.05)
    trials = 300
    found = [rejected(noise(rng, plan.rounds), plan) for _ in range(trials)]
    limit = monte_carlo_limit(plan.level, trials)
    assert found.count(statistics.Direction.SLOWER) <= limit
    assert found.count(statistics.Direction.FASTER) <= limit


def test_level_is_exact_by_enumerating_every_sign_vector() -> None:
    sizes = np.abs(np.random.default_rng(3).normal(size=10))
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=10)))
    looks = statistics.Plan(0.2, (6, 8, 10), (0.05, 0.075, 0.1))
    rejections = 0
    for row in signs:
        monitor = statistics.Monitor(looks)
        rejections += monitor.update(row * sizes) is statistics.Direction.SLOWER
        assert monitor.spent <= looks.level
    assert 0.5 * looks.level < rejections / len(signs) <= looks.level


@pytest.mark.parametrize("level", [0.05, 0.01, 0.01 / 9, 0.01 / 30, 0.01 / 1000])
def test_boundaries_are_monotone(level: float) -> None:
    plan = statistics.plan(level)
    assert list(plan.looks) == sorted(set(plan.looks))
    assert list(plan.spendable) == sorted(plan.spendable)
    assert plan.spendable[-1] == pytest.approx(level / 2)
    values = np.random.default_rng(4).normal(size=plan.rounds)
    monitor = statistics.Monitor(plan)
    needed, spent = [], []
    for look in plan.looks:
        monitor.update(values[:look])
        most = statistics.signed_ranks(values[:look]).sum()
        needed.append(1 - monitor.bounds[-1] / most)
        spent.append(monitor.spent)
    assert needed[0] < 1 or monitor.bounds[0] == 0, "the first look can already reject"
    assert needed == sorted(needed, reverse=True), "less and less evidence is needed"
    assert spent == sorted(spent)
    assert spent[-1] <= level


def test_looks_do_not_change_with_how_values_arrive() -> None:
    rng = np.random.default_rng(5)
    plan = statistics.plan(0.01)
    values = rng.normal(0.015, 0.015, plan.rounds)
    one_by_one = statistics.Monitor(plan)
    for rounds in range(1, plan.rounds + 1):
        one_by_one.update(values[:rounds])
    assert one_by_one.found is rejected(values, plan)


def first_found(values: statistics.Floats, plan: statistics.Plan) -> int:
    monitor = statistics.Monitor(plan)
    return next((look for look in plan.looks if monitor.update(values[:look])), plan.rounds + 1)


@pytest.mark.parametrize("noise", [gaussian, bimodal])
def test_power_is_no_less_than_that_of_a_sign_test_alone(noise: Noise) -> None:
    rng = np.random.default_rng(6)
    plan = statistics.plan(0.01 / 9)
    shift = 0.02
    trials = [noise(rng, plan.rounds) + shift for _ in range(150)]
    ours = sum(rejected(values, plan) is statistics.Direction.SLOWER for values in trials)
    # The rival spends its whole level in one test after the last round.
    rival = sum(statistics.sign_p(values) <= plan.level for values in trials)
    assert ours >= rival
    assert ours >= 140


def test_ten_percent_is_always_seen_and_early() -> None:
    rng = np.random.default_rng(7)
    plan = statistics.plan(0.01 / 30)
    for noise in (gaussian, bimodal):
        trials = [noise(rng, plan.rounds) + math.log(1.1) for _ in range(60)]
        assert all(rejected(values, plan) is statistics.Direction.SLOWER for values in trials)
    assert np.median([first_found(gaussian(rng, plan.rounds) + math.log(1.1), plan) for _ in range(40)]) <= 16


def test_family_of_benchmarks_with_early_same_keeps_its_level() -> None:
    """`same` frees no level, so leaving early cannot raise the rate of red gates."""
    rng = np.random.default_rng(8)
    benchmarks, alpha, tolerance, gates = 20, 0.2, 0.03, 100
    plan = statistics.plan(alpha / benchmarks)
    red = 0
    for _ in range(gates):
        red += any(goes_red(heavy_tailed(rng, plan.rounds), plan, tolerance) for _ in range(benchmarks))
    assert red <= monte_carlo_limit(alpha, gates)


def goes_red(values: statistics.Floats, plan: statistics.Plan, tolerance: float) -> bool:
    monitor = statistics.Monitor(plan)
    for rounds in range(statistics.MIN_ROUNDS_UPPER, plan.rounds + 1):
        seen = statistics.estimate(values[:rounds])
        if monitor.update(values[:rounds]) is statistics.Direction.SLOWER and seen.value >= tolerance:
            return True
        if seen.upper is not None and seen.upper < tolerance:
            return False
    return False


@pytest.mark.parametrize("rounds", [1, 5, 6, 9, 20])
def test_agrees_with_scipy(rounds: int) -> None:
    values = np.random.default_rng(rounds).normal(0.3, 1, rounds)
    wilcoxon = stats.wilcoxon(values, alternative="greater", method="exact").pvalue
    assert statistics.signed_rank_p(values) == pytest.approx(wilcoxon, rel=1e-12)
    signs = stats.binomtest(int((values > 0).sum()), rounds, alternative="greater").pvalue
    assert statistics.sign_p(values) == pytest.approx(signs, rel=1e-12)


def test_agrees_with_a_full_enumeration_with_ties_and_zeros() -> None:
    values = np.array([0.0, 1.0, 1.0, -1.0, 2.0, 2.0, -3.0, 0.0])
    nonzero = values[values != 0]
    ranks = stats.rankdata(np.abs(nonzero))
    observed = ranks[nonzero < 0].sum()
    sums = [ranks[np.array(signs) < 0].sum() for signs in itertools.product([-1, 1], repeat=nonzero.size)]
    assert statistics.signed_rank_p(values) == pytest.approx(np.mean(np.array(sums) <= observed), rel=1e-12)


def test_nothing_but_zeros_is_no_evidence() -> None:
    plan = statistics.plan(0.05)
    assert statistics.signed_rank_p([0.0] * 6) == 1.0
    assert statistics.sign_p([0.0] * 6) == 1.0
    assert rejected(np.zeros(plan.rounds), plan) is None


def test_interval_is_none_until_exact_bounds_exist() -> None:
    assert statistics.estimate([0.01] * 4).upper is None
    five = statistics.estimate([0.01, 0.02, 0.0, -0.01, 0.03])
    assert (five.low, five.high, five.upper) == (None, None, 0.03)
    six = statistics.estimate([0.01, 0.02, 0.0, -0.01, 0.03, 0.05])
    assert (six.low, six.high) == (-0.01, 0.05)
    with pytest.raises(ValueError, match="no rounds"):
        statistics.estimate([])


@pytest.mark.parametrize("noise", [gaussian, heavy_tailed, bimodal])
@pytest.mark.parametrize("rounds", [5, 6, 9, 14])
def test_bounds_cover_the_truth(noise: Noise, rounds: int) -> None:
    rng = np.random.default_rng(rounds)
    truth, trials = 0.05, 600
    misses_upper = misses_interval = 0
    for _ in range(trials):
        seen = statistics.estimate(noise(rng, rounds) + truth)
        assert seen.upper is not None
        misses_upper += seen.upper < truth
        if seen.low is not None and seen.high is not None:
            misses_interval += not seen.low <= truth <= seen.high
    assert misses_upper <= monte_carlo_limit(0.05, trials)
    assert misses_interval <= monte_carlo_limit(0.05, trials)


def test_estimate_shrugs_off_a_gross_outlier() -> None:
    values = [0.0, 0.01, -0.01, 0.005, -0.005, 0.002, 0.001, 1.0]
    assert abs(statistics.estimate(values).value) < 0.01


def test_detectable_is_what_nine_trials_in_ten_see() -> None:
    rng = np.random.default_rng(9)
    plan = statistics.plan(0.01 / 9)
    seen = statistics.detectable(rng.normal(0, 0.02, 4000), plan)
    assert seen is not None
    hits = sum(rejected(rng.normal(seen, 0.02, plan.rounds), plan) is statistics.Direction.SLOWER for _ in range(200))
    assert 150 <= hits <= 198
    assert statistics.detectable([0.0, 0.1], plan) is None


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 2.0])
def test_impossible_levels_are_refused(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        statistics.plan(level)


def test_verdicts_follow_the_truth() -> None:
    """The documented curve, at its ends."""
    none = curve.chances(0.0, 0.015, 60)
    assert none[Verdict.SLOWER] == 0
    assert none[Verdict.SAME] >= 57
    much = curve.chances(0.10, 0.015, 30)
    assert much[Verdict.SLOWER] == 30


def test_noise_that_leaves_no_chance_ends_early_and_says_so() -> None:
    noisy = np.random.default_rng(10).normal(0, 0.2, 60)
    plan = statistics.plan(0.01 / 30)
    benchmark = Benchmark("noisy", plan, 0.03)
    for value in noisy - np.median(noisy):
        benchmark.take(float(value))
        if benchmark.verdict is not None:
            break
    finding = benchmark.finding()
    assert (finding.verdict, finding.rounds < plan.rounds) == ("unsure", True)
    assert "too noisy" in str(finding.reason)
