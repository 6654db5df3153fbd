"""Changes of several hardware classes: each is found where it is, and none is taken for another's."""

from collections.abc import Mapping

import numpy as np
import pytest
from paceline.history.detect import scan, segments
from scipy import stats

Steps = Mapping[int, Mapping[int, float]]  # by class, then by commit: log of the ratio after / before


def panel(steps: Steps, *, commits: int = 160, every: tuple[int, ...] = (1, 1), noise: float = 0.01) -> scan.Panel:
    """Return classes of which number k is run at each `every[k]`th commit."""
    draw = np.random.default_rng(3)
    places, strata, values = [], [], []
    for commit in range(commits):
        for stratum, pause in enumerate(every):
            if commit % pause == 0:
                level = sum(size for at, size in steps.get(stratum, {}).items() if commit >= at)
                places.append(commit)
                strata.append(stratum)
                values.append(9.0 * stratum + level + draw.normal(0, noise))
    return scan.Panel(np.array(values), np.array(strata), np.array(places))


def found(one: scan.Panel) -> list[tuple[int, tuple[int, ...]]]:
    """Return the commit and the classes of each change."""
    return [(int(one.commits[change.at]), change.strata) for change in segments.changes([one])[0]]


def test_one_class_is_segmented_as_by_the_scan_itself() -> None:
    one = scan.one_class(np.random.default_rng(1).normal(0, 0.01, 120) + np.repeat([0.0, 0.2, 0.05], 40))
    (splits,) = scan.changes([one])
    (changes,) = segments.changes([one])
    assert [(change.at, change.statistic, change.p) for change in changes] == [
        (split.at, split.statistic, split.p) for split in splits
    ]
    assert len(changes) == 2


def test_a_change_of_one_class_is_that_classs() -> None:
    assert found(panel({1: {70: 0.2}})) == [(70, (1,))]


def test_a_change_of_both_is_one() -> None:
    assert found(panel({0: {70: 0.2}, 1: {70: 0.2}})) == [(70, (0, 1))]


def test_changes_of_one_place_and_different_size_are_two() -> None:
    assert found(panel({0: {70: 0.03}, 1: {70: 0.4}})) == [(70, (0,)), (70, (1,))]


def test_opposite_changes_of_one_place_are_two() -> None:
    assert found(panel({0: {70: 0.2}, 1: {70: -0.2}})) == [(70, (0,)), (70, (1,))]


def test_an_earlier_and_larger_change_of_a_class_that_is_run_now_and_then_is_not_swallowed() -> None:
    assert found(panel({0: {60: 0.18}, 1: {40: 0.4}}, every=(1, 5))) == [(40, (1,)), (60, (0,))]


def test_what_no_class_shows_by_itself_is_found_together() -> None:
    each = panel({stratum: {114: 0.05} for stratum in range(8)}, every=(8,) * 8, noise=0.02)
    (change,) = segments.changes([each])[0]
    assert change.strata == tuple(range(8))
    assert change.alone == ()
    assert int(each.commits[change.at]) == pytest.approx(114, abs=8)
    alone = [each.take(each.of([stratum])) for stratum in range(8)]
    assert not any(scan.changes(alone, looks=[16] * 8))


def test_a_commit_is_not_torn_apart() -> None:
    one = panel({1: {70: 0.2}})
    ((change,),) = segments.changes([one])
    assert one.commits[change.at] == 70
    assert one.commits[change.at - 1] == 69


def test_noise_of_several_classes_stays_quiet() -> None:
    draw = np.random.default_rng(9)
    noisy = 0
    for _ in range(60):
        strata = draw.integers(0, 3, 90)
        noisy += bool(segments.changes([scan.Panel(draw.normal(size=90), strata, np.arange(90))], rate=1.0)[0])
    assert noisy <= stats.binom.isf(1e-3, 60, 2 * scan.ALPHA)


def test_what_is_left_of_a_change_is_told_by_each_class_by_itself() -> None:
    one = panel({0: {40: 0.2}, 1: {80: -0.2}})
    (changes,) = segments.changes([one])
    slower, faster = changes
    assert segments.remaining(one, changes, slower, 0) == pytest.approx(0.2, abs=0.01)
    assert segments.remaining(one, changes, faster, 1) == pytest.approx(-0.2, abs=0.01)
    both = panel({0: {40: 0.2, 90: -0.2}})
    (changes,) = segments.changes([both])
    assert segments.remaining(both, changes, changes[0], 0) == pytest.approx(0, abs=0.01)


def test_where_one_class_tells_the_others_commits_between_are_suspects() -> None:
    commits = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 6, 7, 7, 8, 8, 9, 9])
    strata = np.array([0, 1] * 4 + [0, 0] + [0, 1] * 4)
    one = scan.Panel(1.0 * ((commits > 5) & (strata == 1)) + 0.001 * np.arange(18), strata, commits)
    early, late = segments.whereabouts(one, [], segments.ChangePoint(10, (1,), 1.0, 0.0))
    assert [int(commits[each]) for each in (early, late)] == [4, 6]
