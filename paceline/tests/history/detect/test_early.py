"""An early word comes after three slow runs, and is no alarm."""

import math

import pytest
from histories import Maker, step
from paceline.history.detect import judgement
from trees import commit


def notices(maker: Maker) -> tuple[str, ...]:
    report = judgement.check(maker.history())
    assert not any(each.is_alarm for each in report.changes)
    return report.notices


@pytest.mark.parametrize(("at", "count"), [(58, 0), (57, 1)])
def test_three_slow_runs_are_named(at: int, count: int) -> None:
    found = notices(Maker(commits=60, factor=step(3, at, 1.3)))
    assert len(found) == count
    assert all(each.startswith("slower in the last 3 runs, not proved yet: test_3 +") for each in found)
    assert all(each.endswith(f"since {commit(57)[:8]}") for each in found)


@pytest.mark.parametrize(("ratio", "noise"), [(1.04, 0.002), (1.3, 0.05), (0.7, 0.01)])
def test_small_or_noisy_ones_and_improvements_are_not(ratio: float, noise: float) -> None:
    assert notices(Maker(commits=60, factor=step(3, 57, ratio), noise=noise)) == ()


def test_noise_makes_none() -> None:
    assert [notices(Maker(commits=60, benchmarks=60, seed=seed, noise=0.03)) for seed in range(5)] == [()] * 5


def test_it_counts_from_the_last_change() -> None:
    report = judgement.check(Maker(commits=80, factor=step(3, 40, 1.5)).history())
    assert len(report.changes) == 1
    assert report.notices == ()


def test_a_slowdown_that_another_machine_proves_is_not_named_again() -> None:
    def factor(number: int, place: int, where: str) -> float:
        if where == "arm" and place % 4:
            return math.nan
        return step(3, 69, 1.3)(number, place, where)

    report = judgement.check(Maker(commits=80, machines=("zen4", "arm"), factor=factor).history())
    assert [(each.kind, each.benchmark) for each in report.changes] == [("slower", "test_3")]
    assert report.notices == ()


def test_the_worst_are_named_and_the_others_counted() -> None:
    (notice,) = notices(
        Maker(commits=60, benchmarks=20, factor=lambda n, p, _: 1.2 + 0.1 * n if n < 5 and p >= 57 else 1.0)
    )
    assert notice.index("test_4") < notice.index("test_3") < notice.index("test_2")
    assert notice.endswith(" and 2 more")
