"""How often the intervals hold the truth, when the split was chosen by the data."""

from __future__ import annotations

import numpy as np
import pytest
from paceline.history.detect import effect, scan
from scipy import stats


def noise(rng: np.random.Generator, n: int, inherited: float) -> scan.Floats:
    values = rng.normal(size=n)
    for i in range(1, n):
        values[i] = inherited * values[i - 1] + np.sqrt(1 - inherited**2) * values[i]
    return 0.02 * values


@pytest.mark.parametrize(
    ("inherited", "before", "after", "size", "of_size", "of_place"),
    [
        (0.0, 60, 20, 0.05, 0.95, 0.93),
        (0.0, 88, 12, 0.05, 0.95, 0.93),
        (0.0, 30, 8, 0.08, 0.95, 0.93),
        (0.0, 50, 50, -0.04, 0.95, 0.93),
        (0.3, 60, 20, 0.05, 0.92, 0.88),
    ],
)
def test_coverage(inherited: float, before: int, after: int, size: float, of_size: float, of_place: float) -> None:
    rng = np.random.default_rng(11)
    covered = located = found = 0
    for _ in range(300):
        values = noise(rng, before + after, inherited)
        values[before:] += size
        panel = scan.one_class(values)
        splits = scan.changes([panel])[0]
        if len(splits) != 1:
            continue
        found += 1
        early, late = effect.whereabouts(panel, splits[0].at)
        located += early <= before <= late
        at = splits[0].at
        stop, start = (early, late) if min(early, values.size - late) >= scan.MIN_SEGMENT else (at, at)
        measured = effect.shift([(values[:stop], values[start:])])
        assert measured is not None
        covered += measured.low <= size <= measured.high
    assert found > 230
    assert covered >= stats.binom.ppf(1e-3, found, of_size)
    assert located >= stats.binom.ppf(1e-3, found, of_place)


def test_a_clean_step_is_located_exactly() -> None:
    values = np.random.default_rng(12).normal(0, 0.001, 60)
    values[33:] += 0.5
    assert effect.whereabouts(scan.one_class(values), 33) == (33, 33)


def test_estimate_and_interval_are_those_of_the_mann_whitney_test() -> None:
    rng = np.random.default_rng(13)
    before, after = rng.permutation(np.arange(20)) * 1.0, rng.permutation(np.arange(15)) * 1.1 + 7
    measured = effect.shift([(before, after)])
    assert measured is not None
    assert measured.value == pytest.approx(np.median(np.subtract.outer(after, before)))
    for bound in (measured.low, measured.high):
        beyond = bound + 0.4 * np.sign(bound - measured.value)
        assert stats.mannwhitneyu(after - beyond, before).pvalue < 0.06


def test_few_values_have_no_bounds() -> None:
    one = np.array([1.0])
    assert effect.shift([(one, one + 1)]) == effect.Effect(1.0, -np.inf, np.inf)
    assert effect.shift([(one, np.empty(0))]) is None
    assert effect.shift([]) is None


def test_classes_share_one_shift_whatever_their_levels() -> None:
    rng = np.random.default_rng(14)
    pairs = [(rng.normal(level, 0.01, 30), rng.normal(level + 0.1, 0.01, 10)) for level in (0.0, 5.0, -3.0)]
    measured = effect.shift(pairs)
    assert measured is not None
    assert measured.low < 0.1 < measured.high
    assert measured.high - measured.low < 0.02
