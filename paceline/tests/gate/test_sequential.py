"""The promises of the tests: by enumeration, against SciPy, and by simulation with fixed seeds."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from noises import Noise, autocorrelated, bimodal, gaussian, heavy_tailed, monte_carlo_limit, shifted, tied
from paceline.gate import sequential
from paceline.gate.estimates import estimate
from scipy import stats

NOISES = [gaussian, heavy_tailed, bimodal, autocorrelated]
Scores = Callable[[list[float]], list[int]]


def rejected(values: list[float], plan: sequential.Plan) -> sequential.Direction | None:
    return sequential.Monitor(plan).update(values)


def p_value(values: list[float], score: Scores) -> float:
    """Chance of scores that speak as much for head being slower."""
    scores = score(values)
    counts = sequential.count_by_sum(scores)
    return sum(counts[: sequential.negative_sum(values, scores) + 1]) / (1 << len(values))


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("score", [sequential.signed_ranks, sequential.signs_only])
def test_single_look_keeps_its_level(noise: Noise, score: Scores) -> None:
    rng = np.random.default_rng(1)
    trials = 1000
    alarms = sum(p_value(noise(rng, 11), score) <= 0.05 for _ in range(trials))
    assert alarms <= monte_carlo_limit(0.05, trials)


@pytest.mark.parametrize("noise", NOISES)
def test_looking_early_and_often_keeps_the_level(noise: Noise) -> None:
    rng = np.random.default_rng(2)
    plan = sequential.plan(0.05)
    trials = 300
    found = [rejected(noise(rng, plan.rounds), plan) for _ in range(trials)]
    limit = monte_carlo_limit(plan.level, trials)
    assert found.count(sequential.Direction.SLOWER) <= limit
    assert found.count(sequential.Direction.FASTER) <= limit


@pytest.mark.parametrize("noise", [gaussian, tied])
def test_level_is_exact_by_enumerating_every_sign_vector(noise: Noise) -> None:
    sizes = [abs(value) for value in noise(np.random.default_rng(3), 10)]
    vectors = list(itertools.product([-1.0, 1.0], repeat=10))
    looks = sequential.Plan(0.2, (6, 8, 10), (0.05, 0.075, 0.1))
    rejections = 0
    for signs in vectors:
        monitor = sequential.Monitor(looks)
        values = [sign * size for sign, size in zip(signs, sizes, strict=True)]
        rejections += monitor.update(values) is sequential.Direction.SLOWER
        assert monitor.spent <= looks.level
    assert 0.4 * looks.level < rejections / len(vectors) <= looks.level


def brute_force(values: list[float], plan: sequential.Plan, score: Scores, least: int = 0) -> tuple[list[int], float]:
    """Bounds of one test and what it spends by them, by counting every sign vector of all looks."""
    bounds, spent, before = [], 0.0, [False] * 2 ** len(values)
    vectors = list(itertools.product([False, True], repeat=len(values)))
    for look, spendable in zip(plan.looks, plan.spendable, strict=True):
        scores = score(values[:look])
        sums = [sum(each for each, negative in zip(scores, vector, strict=False) if negative) for vector in vectors]

        def new(bound: int, sums: list[int] = sums, before: list[bool] = before) -> float:
            now = (total <= bound and not earlier for total, earlier in zip(sums, before, strict=True))
            return sum(now) / len(vectors)

        bound = max(bound for bound in range(-1, sum(scores) + 1) if new(bound) <= spendable - spent)
        bound = -1 if bound < least else bound
        spent += new(bound)
        bounds.append(bound)
        before = [total <= bound for total in sums]
    return bounds, spent


@pytest.mark.parametrize("noise", [gaussian, tied])
@pytest.mark.parametrize("seed", range(4))
def test_bounds_are_those_of_every_sign_vector_counted(noise: Noise, seed: int) -> None:
    values = noise(np.random.default_rng(seed), 9)
    plan = sequential.Plan(0.4, (5, 6, 9), (0.07, 0.13, 0.2))
    monitor = sequential.Monitor(plan)
    monitor.update(values)
    ranks, spent_on_ranks = brute_force(values, plan, sequential.signed_ranks)
    _, spent_on_signs = brute_force(values, plan, sequential.signs_only, least=1)
    assert list(monitor.bounds) == ranks
    assert monitor.spent == pytest.approx(spent_on_ranks + spent_on_signs, rel=1e-12)


@pytest.mark.parametrize("level", [0.05, 0.01, 0.01 / 9, 0.01 / 30, 0.01 / 1000])
def test_boundaries_are_monotone(level: float) -> None:
    plan = sequential.plan(level)
    assert list(plan.looks) == sorted(set(plan.looks))
    assert list(plan.spendable) == sorted(plan.spendable)
    assert plan.spendable[-1] == pytest.approx(level / 2)
    values = np.random.default_rng(4).normal(size=plan.rounds).tolist()
    monitor = sequential.Monitor(plan)
    needed, spent = [], []
    for look in plan.looks:
        monitor.update(values[:look])
        most = sum(sequential.signed_ranks(values[:look]))
        needed.append(1 - monitor.bounds[-1] / most)
        spent.append(monitor.spent)
    assert needed[0] < 1 or monitor.bounds[0] == 0, "the first look can already reject"
    assert needed == sorted(needed, reverse=True), "less and less evidence is needed"
    assert spent == sorted(spent)
    assert spent[-1] <= level


def test_counts_are_exact_where_floats_are_not() -> None:
    plan = sequential.plan(1e-12)
    assert plan.rounds > 53, "more rounds than a float has bits"
    values = np.random.default_rng(11).normal(size=plan.rounds).tolist()
    monitor = sequential.Monitor(plan)
    monitor.update(values)
    assert 0.5 * plan.level < monitor.spent <= plan.level
    counts = sequential.count_by_sum(sequential.signed_ranks(values))
    assert sum(counts) == 2**plan.rounds
    assert counts == counts[::-1]


def test_looks_do_not_change_with_how_values_arrive() -> None:
    rng = np.random.default_rng(5)
    plan = sequential.plan(0.01)
    values = rng.normal(0.015, 0.015, plan.rounds).tolist()
    one_by_one = sequential.Monitor(plan)
    for rounds in range(1, plan.rounds + 1):
        one_by_one.update(values[:rounds])
    assert one_by_one.found is rejected(values, plan)


def first_found(values: list[float], plan: sequential.Plan) -> int:
    monitor = sequential.Monitor(plan)
    return next((look for look in plan.looks if monitor.update(values[:look])), plan.rounds + 1)


@pytest.mark.parametrize("noise", [gaussian, bimodal])
def test_power_is_no_less_than_that_of_a_sign_test_alone(noise: Noise) -> None:
    rng = np.random.default_rng(6)
    plan = sequential.plan(0.01 / 9)
    trials = [shifted(noise(rng, plan.rounds), 0.02) for _ in range(150)]
    ours = sum(rejected(values, plan) is sequential.Direction.SLOWER for values in trials)
    # The rival spends its whole level in one test after the last round.
    rival = sum(p_value(values, sequential.signs_only) <= plan.level for values in trials)
    assert ours >= rival
    assert ours >= 140


def test_ten_percent_is_always_seen_and_early() -> None:
    rng = np.random.default_rng(7)
    plan = sequential.plan(0.01 / 30)
    for noise in (gaussian, bimodal):
        trials = [shifted(noise(rng, plan.rounds), math.log(1.1)) for _ in range(60)]
        assert all(rejected(values, plan) is sequential.Direction.SLOWER for values in trials)
    first = [first_found(shifted(gaussian(rng, plan.rounds), math.log(1.1)), plan) for _ in range(40)]
    assert np.median(first) <= 16


def test_family_of_benchmarks_with_early_same_keeps_its_level() -> None:
    """`same` frees no level, so leaving early cannot raise the rate of red gates."""
    rng = np.random.default_rng(8)
    benchmarks, alpha, tolerance, gates = 20, 0.2, 0.03, 100
    plan = sequential.plan(alpha / benchmarks)
    red = 0
    for _ in range(gates):
        red += any(goes_red(heavy_tailed(rng, plan.rounds), plan, tolerance) for _ in range(benchmarks))
    assert red <= monte_carlo_limit(alpha, gates)


def goes_red(values: list[float], plan: sequential.Plan, tolerance: float) -> bool:
    monitor = sequential.Monitor(plan)
    for rounds in range(sequential.EARLIEST_LOOK, plan.rounds + 1):
        seen = estimate(values[:rounds])
        if monitor.update(values[:rounds]) is sequential.Direction.SLOWER and seen.value >= tolerance:
            return True
        if seen.upper is not None and seen.upper < tolerance:
            return False
    return False


@pytest.mark.parametrize("rounds", [1, 5, 6, 9, 20, 32])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scipy(rounds: int, seed: int) -> None:
    values = np.random.default_rng([rounds, seed]).normal(0.3, 1, rounds).tolist()
    wilcoxon = stats.wilcoxon(values, alternative="greater", method="exact").pvalue
    assert p_value(values, sequential.signed_ranks) == pytest.approx(wilcoxon, rel=1e-12)
    signs = stats.binomtest(sum(value > 0 for value in values), rounds, alternative="greater").pvalue
    assert p_value(values, sequential.signs_only) == pytest.approx(signs, rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_a_full_enumeration_with_ties_and_zeros(seed: int) -> None:
    values = tied(np.random.default_rng(seed), 11)
    nonzero = [value for value in values if value]
    ranks = stats.rankdata(np.abs(nonzero)).tolist()
    observed = sum(rank for rank, value in zip(ranks, nonzero, strict=True) if value < 0)
    vectors = list(itertools.product([0, 1], repeat=len(nonzero)))
    as_low = sum(sum(itertools.compress(ranks, vector)) <= observed for vector in vectors)
    assert p_value(values, sequential.signed_ranks) == as_low / len(vectors)


def test_nothing_but_zeros_is_no_evidence() -> None:
    plan = sequential.plan(0.05)
    assert p_value([0.0] * 6, sequential.signed_ranks) == 1.0
    assert p_value([0.0] * 6, sequential.signs_only) == 1.0
    assert rejected([0.0] * plan.rounds, plan) is None


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 2.0])
def test_impossible_levels_are_refused(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        sequential.plan(level)
