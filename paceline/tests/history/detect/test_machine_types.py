"""Machine types are inferred where one name stands for several, and only there."""

from dataclasses import replace

import numpy as np
import pytest
from histories import Factor, Maker
from numpy.typing import NDArray
from paceline.history.detect import judgement, machine_types
from paceline.history.detect.tracks import Wanted

COMMITS = 120
BENCHMARKS = 20


def kinds_of(shares: tuple[float, ...]) -> NDArray[np.int64]:
    return np.random.default_rng(1).choice(len(shares), COMMITS, p=shares)


def mixed(kinds: NDArray[np.int64], more: Factor = lambda *_: 1.0) -> Maker:
    """Return a history on several kinds of hardware, whose factor differs by benchmark."""
    rng = np.random.default_rng(2)
    factors = np.exp(np.array([0, -0.2, 0.25])[:, None] + rng.normal(0, 0.12, (3, BENCHMARKS)))

    def factor(number: int, place: int, where: str) -> float:
        return float(factors[kinds[place], number]) * more(number, place, where)

    return Maker(commits=COMMITS, benchmarks=BENCHMARKS, factor=factor, noise=0.02)


def slower(number: int, place: int, _: str) -> float:
    return 1.1 if number == 3 and place >= 80 else 1.0


@pytest.mark.parametrize("shares", [(0.6, 0.25, 0.15), (0.34, 0.33, 0.33), (0.5, 0.5)])
def test_each_kind_of_hardware_is_a_type(shares: tuple[float, ...]) -> None:
    kinds = kinds_of(shares)
    _, types = machine_types.types_of(mixed(kinds).history().series)
    assert len(set(zip(types.tolist(), kinds.tolist(), strict=True))) == len(shares) == len(set(types.tolist()))
    assert np.bincount(types).argmax() == 0


def test_a_slowdown_is_found_on_mixed_hardware_without_a_majority() -> None:
    history = mixed(kinds_of((0.34, 0.33, 0.33)), slower).history()
    report = judgement.check(history)
    assert {each.benchmark for each in report.changes} == {"test_3"}
    assert any(each.is_alarm for each in report.changes)
    (notice,) = report.notices
    assert notice.startswith("zen4: 3 types of hardware, with ")
    assert judgement.check(history, selection=Wanted(machine="zen4")).changes == report.changes


def test_steady_hardware_is_one_type_and_unchanged() -> None:
    history = Maker(factor=slower).history()
    assert machine_types.split(history) is history


def test_few_odd_runs_make_no_types() -> None:
    history = mixed(np.array([1] * 7 + [0] * (COMMITS - 7))).history()
    assert machine_types.split(history) is history


def test_a_change_of_the_whole_suite_is_no_type() -> None:
    history = mixed(kinds_of((0.8, 0.2)), lambda _, place, __: 1.3 if place >= 60 else 1.0).history()
    report = judgement.check(history)
    assert ("suite-slower", True) in {(each.kind, each.is_alarm) for each in report.changes}
    assert not any(each.benchmark and each.is_alarm for each in report.changes)


def test_types_go_on_where_all_benchmarks_are_renamed() -> None:
    history = mixed(kinds_of((0.8, 0.2))).history()
    halves = []
    for each in history.series:
        early = each.runs < 60
        for name, part in (("old", early), ("new", ~early)):
            columns = {column: getattr(each, column)[part] for column in ("runs", "values", "low", "high")}
            halves.append(replace(each, key=replace(each.key, benchmark=f"{name}_{each.key.benchmark}"), **columns))
    _, types = machine_types.types_of(halves)
    assert np.bincount(types).max() >= (kinds_of((0.8, 0.2)) == 0).sum()


def test_memory_is_not_split() -> None:
    maker = mixed(kinds_of((0.5, 0.5)))
    history = machine_types.split(replace(maker, units={0: "bytes"}).history())
    assert [each.key.machine for each in history.series if each.unit == "bytes"] == ["zen4"]
    assert {each.key.machine for each in history.series} == {"zen4", "zen4 (type 2)"}
