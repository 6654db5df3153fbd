"""The scan against its formula, its law by enumeration, and its promises on noise of many kinds."""

import itertools
import math
from collections.abc import Callable
from importlib import resources

import numpy as np
import pytest
from paceline.history.detect import scan
from scipy import stats

Panels = Callable[[np.random.Generator], scan.Panel]


def test_statistic_is_the_mann_whitney_statistic_of_each_split() -> None:
    values = np.random.default_rng(1).normal(size=30)
    z = scan.curve(scan.one_class(values))
    for k in range(scan.MIN_SEGMENT, 30 - scan.MIN_SEGMENT + 1):
        u = stats.mannwhitneyu(values[k:], values[:k]).statistic
        expected = (u - k * (30 - k) / 2) / math.sqrt(k * (30 - k) * 31 / 12)
        assert z[k] == pytest.approx(expected)
    assert not z[: scan.MIN_SEGMENT].any()
    assert not z[-scan.MIN_SEGMENT :].any()


@pytest.mark.parametrize("n", [8, 9])
def test_law_by_all_orders(n: int) -> None:
    orders = np.array(list(itertools.permutations(range(n))), dtype=float)
    k = np.arange(scan.MIN_SEGMENT, n - scan.MIN_SEGMENT + 1)
    sums = np.cumsum(orders - (n - 1) / 2, axis=1)[:, k - 1]
    maxima = np.abs(sums / np.sqrt(k * (n - k) * (n + 1) / 12)).max(axis=1)
    for statistic in np.unique(maxima.round(9)):
        exact = (maxima >= statistic - 1e-9).mean()
        assert scan.p_value(float(statistic), n) >= 0.95 * min(exact, 0.5), statistic


@pytest.mark.parametrize("n", [17, 40, 100, 123])
def test_table_holds_in_a_new_simulation(n: int) -> None:
    """123 is not simulated: the next longer stands for it."""
    rng = np.random.default_rng(n)
    found = [scan.scan(scan.one_class(rng.random(n))).p for _ in range(4000)]
    for level in (0.1, 0.02, 0.005):
        hits = sum(p <= level for p in found)
        assert hits <= stats.binom.isf(1e-4, 4000, level)
        assert hits >= stats.binom.ppf(1e-4, 4000, 0.75 * level), "the table is not just cautious"


def test_table_is_complete() -> None:
    lengths, levels, table = scan.null_law()
    assert lengths[0] == 2 * scan.MIN_SEGMENT
    assert list(levels) == sorted(levels, reverse=True)
    assert scan.ALPHA in levels
    assert (table[:, 1:] >= table[:, :-1]).all()
    assert "detection.py table" in resources.files("paceline.history.detect").joinpath("null.csv").read_text()


def test_p_falls_with_the_statistic_and_never_below_what_the_length_allows() -> None:
    for n in (8, 14, 30, 100, 5000, 50_000):
        ps = [scan.p_value(t, n) for t in np.linspace(0, 12, 200)]
        assert ps == sorted(ps, reverse=True)
        assert ps[0] == 1
        assert ps[-1] > 0
    assert scan.p_value(99.0, 8) > 2 / math.comb(8, 4), "of all orders of eight values, two are as extreme"


def interleaved(rng: np.random.Generator) -> scan.Panel:
    strata = rng.integers(0, 3, 60)
    return scan.Panel(rng.normal(size=60) * (1 + strata) + 9 * strata, strata, np.arange(60))


def consecutive(rng: np.random.Generator) -> scan.Panel:
    strata = np.repeat([0, 1, 2], 20)
    return scan.Panel(rng.normal(size=60) + 5 * strata, strata, np.arange(60))


def unequal(rng: np.random.Generator) -> scan.Panel:
    strata = (np.arange(60) % 10 == 0).astype(np.int64)
    return scan.Panel(rng.normal(size=60) - 7 * strata, strata, np.arange(60))


def same_commits(rng: np.random.Generator) -> scan.Panel:
    """Two classes at every commit."""
    strata = np.tile([0, 1], 30)
    return scan.Panel(rng.normal(size=60) + 3 * strata, strata, np.repeat(np.arange(30), 2))


def tied(rng: np.random.Generator) -> scan.Panel:
    return scan.one_class(np.where(rng.random(60) < 0.05, 1.0, 0.0))


@pytest.mark.parametrize("panels", [interleaved, consecutive, unequal, same_commits, tied])
def test_level_holds_whatever_the_classes_and_ties(panels: Panels) -> None:
    rng = np.random.default_rng(3)
    found = [scan.scan(panels(rng)).p for _ in range(2000)]
    for level in (0.05, 0.01):
        assert sum(p <= level for p in found) <= stats.binom.isf(1e-4, 2000, level)


def test_classes_together_see_what_each_by_itself_does_not() -> None:
    rng = np.random.default_rng(4)
    together = alone = 0
    for _ in range(40):
        panel = interleaved(rng)
        values = panel.values + 1.9 * (1 + panel.strata) * (np.arange(60) >= 42)
        together += bool(scan.changes([scan.Panel(values, panel.strata, panel.commits)], rate=1.0)[0])
        each = [scan.one_class(values[panel.strata == stratum]) for stratum in range(3)]
        alone += any(scan.changes([one], rate=1.0)[0] for one in each)
    assert together >= alone + 10


def test_steps_are_found_in_order_and_small_ones_left_out() -> None:
    rng = np.random.default_rng(6)
    levels = np.repeat([0.0, 0.2, 0.21, 0.05], 40)
    splits = scan.changes([scan.one_class(levels + rng.normal(0, 0.005, 160))])[0]
    assert [split.at for split in splits] == [pytest.approx(40, abs=1), pytest.approx(120, abs=1)]
    assert [split.statistic > 0 for split in splits] == [True, False]


def test_an_episode_does_not_hide_behind_equal_levels() -> None:
    values = np.random.default_rng(7).normal(0, 0.01, 120)
    values[60:80] += 0.3
    splits = scan.changes([scan.one_class(values)])[0]
    assert [split.at for split in splits] == [60, 80]


@pytest.mark.parametrize("n", range(10))
def test_too_short_series_have_no_changes(n: int) -> None:
    assert scan.changes([scan.one_class(np.repeat([0.0, 9.0], 5)[:n])]) == [[]]


def test_constant_series_have_no_changes() -> None:
    assert scan.changes([scan.one_class(np.zeros(200))] * 3) == [[], [], []]


def test_false_discovery_limit_is_benjamini_and_hochbergs() -> None:
    p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    adjusted = stats.false_discovery_control(p)
    for rate in (0.01, 0.05, 0.1, 0.3):
        rejected = [each for each, q in zip(p, adjusted, strict=True) if q <= rate]
        assert scan.false_discovery_limit(p, rate) == max(rejected, default=0.0)


def test_many_series_at_once_raise_the_bar() -> None:
    """One mediocre change is found alone, and not beside five hundred series without any."""
    rng = np.random.default_rng(8)
    values = rng.normal(0, 0.02, 60)
    values[52:] += 0.05
    one = scan.one_class(values)
    p = scan.scan(one).p
    assert 0.01 / 500 < p <= scan.ALPHA
    crowd = [scan.one_class(rng.normal(0, 0.02, 60)) for _ in range(500)]
    assert len(scan.changes([one])[0]) == 1
    assert scan.changes([one, *crowd])[0] == []


def test_suites_without_change_stay_quiet() -> None:
    rng = np.random.default_rng(9)
    noisy = 0
    for _ in range(40):
        panels = [scan.one_class(rng.standard_t(2, 80) * 0.02) for _ in range(40)]
        noisy += any(scan.changes(panels))
    assert noisy <= stats.binom.isf(1e-3, 40, scan.FDR)


def test_same_data_same_answer() -> None:
    values = np.random.default_rng(10).integers(0, 3, 100).astype(float)
    assert scan.scan(scan.one_class(values)) == scan.scan(scan.one_class(values.copy()))


def test_a_large_step_stays_where_small_ones_look_like_memory() -> None:
    """The small steps are below the least size that is reported, so they are pruned first."""
    rng = np.random.default_rng(11)
    found = 0
    for _ in range(20):
        small = np.repeat(np.cumsum(rng.choice([-0.012, 0.012], 20)), 10)
        values = small + rng.normal(0, 0.003, 200) + np.log(10) * (np.arange(200) >= 120)
        found += any(abs(split.at - 120) <= 1 for split in scan.changes([scan.one_class(values)])[0])
    assert found == 20


def test_long_memory_alone_makes_no_large_step() -> None:
    rng = np.random.default_rng(12)
    walks = np.cumsum(rng.normal(0, 0.01, (200, 100)), axis=1)
    assert sum(bool(scan.changes([scan.one_class(walk)])[0]) for walk in walks) <= 10
