"""What is found in histories whose changes are known, and that nothing else is."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from histories import Factor, Maker, one_series, step
from paceline.errors import PacelineError
from paceline.history.detect import judgement, scan, suite_wide
from paceline.history.detect.tracks import Wanted
from paceline.history.model import History
from paceline.report.changes import Accepted, Change, Report
from trees import commit


def look(maker: Maker, **selected: Any) -> Report:
    return judgement.check(maker.history(), selection=Wanted(**selected))


def only(report: Report) -> Change:
    assert len(report.changes) == 1, [(each.kind, each.benchmark) for each in report.changes]
    return report.changes[0]


def test_a_slowdown_is_told_with_all_that_is_known_of_it() -> None:
    maker = Maker(
        factor=step(3, 40, 1.2),
        packages=lambda number: {"numpy": "2.1" if number < 40 else "2.2", "python": "3.12"},
        facts=lambda number: {"kernel": "6.1" if number < 40 else "6.8", "load": str(number)},
    )
    found = only(look(maker))
    assert (found.kind, found.benchmark, found.state, found.is_alarm) == ("slower", "test_3", "new", True)
    assert (found.machines, found.elsewhere) == (("zen4",), None)
    assert found.low < 1.2 < found.high
    assert found.high - found.low < 0.05
    assert (found.before, found.at, found.after) == (commit(39), commit(40), commit(40))
    assert found.commits == (commit(40),)
    assert [vars(each) for each in found.dependencies] == [{"name": "numpy", "before": "2.1", "after": "2.2"}]
    assert [each.name for each in found.facts] == ["kernel"], "what differs in every run explains nothing"


def test_an_improvement_is_no_alarm() -> None:
    found = only(look(Maker(factor=step(3, 40, 0.8))))
    assert (found.kind, found.is_alarm) == ("faster", False)


def test_slower_on_one_class_only() -> None:
    found = only(look(Maker(machines=("zen4", "arm"), factor=step(3, 30, 1.1, "arm"))))
    assert (found.machines, found.elsewhere) == (("arm",), "same")
    assert found.low < 1.1 < found.high
    assert found.evidence["machines"]["zen4"]["verdict"] == "same"
    assert (found.before, found.at, found.after) == (commit(29), commit(30), commit(30))


def test_slower_on_all_classes_is_one_finding() -> None:
    found = only(look(Maker(machines=("zen4", "arm", "skylake"), factor=step(3, 50, 1.1))))
    assert (found.machines, found.elsewhere) == (("zen4", "arm", "skylake"), None)
    assert (found.before, found.at, found.after) == (commit(49), commit(50), commit(50))


def test_what_is_not_proved_of_a_class_is_unclear() -> None:
    """The other class has two values after the change."""

    def factor(number: int, place: int, where: str) -> float:
        if where == "arm" and number == 3 and 30 <= place < 58:
            return math.nan
        return step(3, 30, 1.1, "zen4")(number, place, where)

    found = only(look(Maker(machines=("zen4", "arm"), factor=factor)))
    assert (found.machines, found.elsewhere) == (("zen4",), "unclear")


BOTH = ("arm", "zen4")


def of_both(*steps: Factor, pause: int = 1, **more: Any) -> Maker:
    """Return a history of two classes; zen4 is run at each `pause`th commit only."""

    def factor(number: int, place: int, where: str) -> float:
        if where == "zen4" and place % pause:
            return math.nan
        return math.prod(each(number, place, where) for each in steps)

    return Maker(machines=BOTH, factor=factor, **more)


def told(report: Report) -> list[tuple[str, str, tuple[str, ...], str]]:
    return [(each.kind, each.state, each.machines, each.at) for each in report.changes]


def test_a_slowdown_is_not_made_up_for_by_another_class() -> None:
    report = look(of_both(step(3, 30, 1.2, "arm"), step(3, 45, 0.8, "zen4")))
    assert told(report) == [
        ("slower", "new", ("arm",), commit(30)),
        ("faster", "new", ("zen4",), commit(45)),
    ]


def test_a_slowdown_is_made_up_for_where_it_was() -> None:
    report = look(of_both(step(3, 40, 1.2, "arm", until=80), commits=120))
    assert sorted(told(report)) == [
        ("faster", "new", ("arm",), commit(80)),
        ("slower", "recovered", ("arm",), commit(40)),
    ]


def test_a_larger_and_earlier_slowdown_of_a_class_that_is_run_now_and_then_is_told() -> None:
    report = look(of_both(step(3, 60, 1.2, "arm"), step(3, 40, 1.5, "zen4"), pause=5, commits=160))
    assert told(report) == [
        ("slower", "new", ("zen4",), commit(40)),
        ("slower", "new", ("arm",), commit(60)),
    ]
    assert report.changes[0].low < 1.5 < report.changes[0].high


def test_sizes_that_differ_by_class_are_told_apart() -> None:
    report = look(of_both(step(3, 30, 1.05, "arm"), step(3, 30, 1.5, "zen4")))
    large, small = report.changes
    assert told(report) == [
        ("slower", "new", ("zen4",), commit(30)),
        ("slower", "new", ("arm",), commit(30)),
    ]
    assert large.low < 1.5 < large.high
    assert small.low < 1.05 < small.high
    assert small.elsewhere == "unclear"
    assert small.evidence["machines"]["zen4"]["verdict"] == "slower"
    assert large.id != small.id


def test_a_shift_of_suites_of_different_size_is_told_with_each_size_and_where_it_is_not() -> None:
    def factor(_: int, place: int, where: str) -> float:
        return {"arm": 1.05, "zen4": 1.8, "m1": 1.0}[where] if place >= 30 else 1.0

    report = look(Maker(machines=("arm", "zen4", "m1"), factor=factor))
    assert [(each.kind, each.machines) for each in report.changes] == [
        ("suite-slower", ("zen4",)),
        ("suite-slower", ("arm",)),
    ]
    for found, ratio in zip(report.changes, (1.8, 1.05), strict=True):
        assert found.low < ratio < found.high
        assert found.evidence["machines"]["m1"]["verdict"] == "same"


def test_a_shift_of_a_suite_is_told_of_one_of_its_benchmarks() -> None:
    maker = Maker(factor=lambda _, place, __: 1.2 if place >= 30 else 1.0)
    found = only(look(maker, benchmark="test_1$"))
    assert (found.kind, found.is_alarm) == ("suite-slower", True)


@pytest.mark.parametrize("field", ["engine", "environment", "machine"])
def test_a_series_that_another_took_the_place_of_makes_no_alarm_for_ever(field: str) -> None:
    """What was measured until commit 60 goes on by another engine, in another environment, or on another class."""
    maker = Maker(commits=160, factor=step(3, 30, 1.3))
    history = maker.history()
    series = []
    for each in history.series:
        old = replace(each, runs=each.runs[:60], values=each.values[:60])
        changed: dict[str, Any] = {field: "other"}
        new = replace(each, runs=each.runs[60:], values=each.values[60:], key=replace(each.key, **changed))
        series += [old, new]
    report = judgement.check(replace(history, series=tuple(series)))
    is_of_a_track = field == "machine"  # which goes on, so that it is described
    assert [(each.kind, each.state) for each in report.changes] == [("slower", "gone")] * is_of_a_track
    assert any("1 change in series" in notice for notice in report.notices) != is_of_a_track


@pytest.mark.parametrize(("last", "state"), [(60, "gone"), (155, "new")])
def test_a_shift_of_a_suite_that_was_given_up_makes_no_alarm_for_ever(last: int, state: str) -> None:
    def factor(_: int, place: int, where: str) -> float:
        if where == "arm":
            return math.nan if place >= last else 1.2 if place >= 30 else 1.0
        return 1.0

    found = only(look(Maker(machines=BOTH, commits=160, factor=factor)))
    assert (found.kind, found.state, found.machines) == ("suite-slower", state, ("arm",))


def test_a_class_that_is_run_now_and_then_is_not_given_up() -> None:
    report = look(of_both(step(3, 80, 1.3, "zen4"), pause=7, commits=159))
    assert told(report)[0][:3] == ("slower", "new", ("zen4",))


def test_odd_runs_raise_no_alarm_and_are_told() -> None:
    """Every sixth run of the last half is on another CPU, on which benchmarks differ: too few for a type."""

    def factor(number: int, place: int, _: str) -> float:
        return 1.0 if place < 40 or place % 6 else 1.3 + 0.02 * number

    report = look(Maker(commits=80, factor=factor))
    assert report.changes == ()
    assert any("skipped 7 of 80 runs" in notice for notice in report.notices)


def test_a_slowdown_among_odd_runs_is_found() -> None:
    def factor(number: int, place: int, where: str) -> float:
        odd = 1.0 if place < 40 or place % 4 else 0.7
        return odd * step(3, 60, 1.15)(number, place, where)

    found = only(look(Maker(commits=80, factor=factor)))
    assert (found.benchmark, found.kind) == ("test_3", "slower")
    assert found.low < 1.15 < found.high


def test_where_most_runs_are_odd_nothing_is_judged() -> None:
    rng = np.random.default_rng(3)
    cpus = np.where(np.arange(120) < 60, 1.0, rng.uniform(0.6, 1.15, 120))
    report = look(Maker(commits=120, factor=lambda _, place, __: float(cpus[place])))
    assert report.changes == ()
    assert any("the whole suite varies from run to run" in notice for notice in report.notices)


def test_a_shift_of_the_suite_that_stays_is_one_finding() -> None:
    """Benchmarks are judged beside it: one became slower than the suite, at another commit."""

    def factor(number: int, place: int, where: str) -> float:
        return (1.1 if place >= 30 else 1.0) * step(3, 45, 1.3)(number, place, where)

    report = look(Maker(factor=factor, facts=lambda number: {"image": "22.04" if number < 30 else "24.04"}))
    whole, single = report.changes
    assert (whole.kind, whole.benchmark, whole.is_alarm) == ("suite-slower", "", True)
    assert whole.low < 1.1 < whole.high
    assert whole.at == commit(30)
    assert [vars(each) for each in whole.facts] == [{"name": "image", "before": "22.04", "after": "24.04"}]
    assert (single.benchmark, single.at) == ("test_3", commit(45))
    assert single.low < 1.3 < single.high


def test_a_shift_of_suites_on_two_classes_is_one_finding() -> None:
    maker = Maker(machines=("zen4", "arm"), factor=lambda _, place, __: 1.1 if place >= 30 else 1.0)
    assert only(look(maker)).machines == ("zen4", "arm")


def test_when_some_benchmarks_slow_down_the_others_did_not_speed_up() -> None:
    def factor(number: int, place: int, _: str) -> float:
        return 1.3 if number < 5 and place >= 40 else 1.0

    report = look(Maker(benchmarks=12, factor=factor))
    assert {each.benchmark for each in report.changes} == {f"test_{number}" for number in range(5)}
    assert {each.kind for each in report.changes} == {"slower"}


def test_memory_knows_no_odd_runs() -> None:
    def factor(number: int, place: int, _: str) -> float:
        if number == 0:
            return 1.1 if place >= 40 else 1.0
        return 1.0 if place % 4 else 0.7

    found = only(look(Maker(factor=factor, units={0: "bytes"}, noise=0.002)))
    assert found.evidence["values_before"] == 40


def directed(direction: str, factor: Factor) -> History:
    """Return a history in which less, more or neither of the first benchmark's scores is better."""
    history = Maker(factor=factor, units={0: "score"}).history()
    first, *others = history.series
    return replace(history, series=(replace(first, direction=direction), *others))


def test_units_without_a_direction_are_counted_with_the_setting_that_names_it() -> None:
    history = directed("", step(0, 30, 2.0))
    report = judgement.check(history)
    assert report.changes == ()
    (notice,) = report.notices
    assert notice.startswith("1 series are not judged, as their unit (such as score)")
    assert '[tool.paceline.direction], such as "test_0*" = "more"' in notice
    with pytest.raises(PacelineError, match="nothing to check: 1 series are not judged"):
        judgement.check(replace(history, series=history.series[:1]))


def test_fewer_are_worse_where_more_is_better() -> None:
    found = only(judgement.check(directed("more", step(0, 30, 0.5))))
    assert (found.kind, found.is_alarm) == ("slower", True)
    assert found.low < 0.5 < found.high < 0.52
    assert found.low < found.ratio == found.left < found.high
    machine = found.evidence["machines"]["zen4"]
    assert machine["low"] < machine["ratio"] < machine["high"] < 0.52
    better = only(judgement.check(directed("more", step(0, 30, 2.0))))
    assert (better.kind, better.is_alarm) == ("faster", False)
    assert better.ratio > 1.9


def test_an_accepted_loss_of_what_more_is_better_of_stays_accepted() -> None:
    history = directed("more", step(0, 30, 0.5))
    found = only(judgement.check(history))
    fields: dict[str, Any] = {
        name: getattr(found, name) for name in ("id", "kind", "benchmark", "parameters", "engine")
    }
    fields |= {"environment": "", "commit": found.at, "reason": "worth it", "date": datetime.now(UTC).date()}
    entry = Accepted(**fields, machines=found.machines, ratio=found.ratio)
    assert only(judgement.check(history, [entry])).state == "accepted"


def test_what_was_made_up_for_is_no_alarm() -> None:
    states = {each.kind: each.state for each in look(Maker(commits=90, factor=step(3, 50, 1.2, until=80))).changes}
    assert states == {"slower": "recovered", "faster": "new"}


def levels(*steps: tuple[int, float]) -> Factor:
    """Return a factor: test_3 has these levels, each from a commit on."""
    return lambda number, place, _: next((level for at, level in steps[::-1] if number == 3 and place >= at), 1.0)


def test_a_partly_recovered_slowdown_is_ranked_by_the_size_that_is_left() -> None:
    def factor(number: int, place: int, where: str) -> float:
        return levels((30, 2.75), (60, 1.057))(number, place, where) * step(5, 40, 1.3)(number, place, where)

    report = look(Maker(commits=90, factor=factor))
    assert [(each.benchmark, each.kind) for each in report.changes if each.is_alarm] == [
        ("test_5", "slower"),
        ("test_3", "slower"),
    ]
    partly = next(each for each in report.changes if each.benchmark == "test_3" and each.is_alarm)
    assert partly.is_partly_recovered
    assert partly.left == pytest.approx(1.057, abs=0.01)
    assert partly.ratio == pytest.approx(2.75, abs=0.05)


def test_a_later_slowdown_does_not_revive_a_recovered_one() -> None:
    report = look(Maker(commits=140, factor=levels((50, 1.3), (90, 1.0), (110, 1.5))))
    told = {each.at: (each.kind, each.state) for each in report.changes}
    assert told == {
        commit(50): ("slower", "recovered"),
        commit(90): ("faster", "recovered"),
        commit(110): ("slower", "new"),
    }


def test_two_slowdowns_in_a_row_are_whole() -> None:
    report = look(Maker(commits=90, factor=levels((30, 1.3), (60, 1.6))))
    assert [(each.state, each.left == each.ratio) for each in report.changes] == [("new", True), ("new", True)]


def test_what_is_no_longer_measured_is_no_alarm() -> None:
    def factor(number: int, place: int, where: str) -> float:
        return math.nan if number == 3 and place >= 45 else step(3, 20, 1.2)(number, place, where)

    report = look(Maker(factor=factor))
    assert report.changes == ()
    assert report.notices == ("1 change in series that are no longer measured, not listed",)
    assert look(Maker(factor=factor), since=commit(30)).notices == ()


def test_another_version_is_another_series() -> None:
    history = Maker(factor=step(3, 30, 1.5)).history()
    series = []
    for each in history.series:
        old, new = each.runs < 30, each.runs >= 30
        cut = [(each.runs[part], each.values[part]) for part in (old, new)]
        series += [
            replace(one_series(each.key.benchmark, "zen4", *both), key=replace(each.key, version=version))
            for both, version in zip(cut, "12", strict=True)
        ]
    assert judgement.check(replace(history, series=tuple(series))).changes == ()


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ({"benchmark": "test_3"}, ["test_3"]),
        ({"benchmark": "_5$"}, []),
        ({"machine": "arm"}, []),
        ({"machine": "zen4"}, ["test_3"]),
        ({"since": commit(39)[:8]}, ["test_3"]),
        ({"since": commit(41)}, []),
        ({"since": "2023-11-15"}, ["test_3"]),
        ({"since": "2023-12-15"}, []),
    ],
)
def test_selection(selected: dict[str, str], expected: list[str]) -> None:
    maker = Maker(machines=("zen4", "arm"), factor=step(3, 40, 1.2, "zen4"))
    assert [each.benchmark for each in look(maker, **selected).changes] == expected


def test_since_a_day_asks_for_the_date_of_the_change() -> None:
    """The branch was rebased: its first commit is dated after all others."""
    history = Maker(factor=step(3, 40, 1.2)).history()
    last = history.runs[-1].date
    runs = (replace(history.runs[0], date=last + 30 * 86_400_000), *history.runs[1:])
    day = datetime.fromtimestamp(last / 1000 + 86_400, UTC).date().isoformat()
    report = judgement.check(replace(history, runs=runs), selection=Wanted(since=day))
    assert report.changes == ()
    assert len(judgement.check(replace(history, runs=runs), selection=Wanted(since="2023-11-15")).changes) == 1


@pytest.mark.parametrize("commits", [3, 13])
def test_too_short_a_history_is_told_and_blames_no_machine(commits: int) -> None:
    cpus = np.random.default_rng(3).choice([0.6, 0.8, 1.0, 1.3], commits)
    told = ("no series has 14 values yet, which the check needs to find a change",)
    assert look(Maker(commits=commits, factor=lambda _, place, __: float(cpus[place]))).notices == told
    assert look(Maker(commits=commits)).notices == told
    assert look(Maker(commits=judgement.SHORTEST)).notices == ()


def test_from_the_fewest_values_on_something_can_be_found() -> None:
    def found(count: int) -> bool:
        noise = np.random.default_rng(0).normal(0, 0.001, (50, count))
        steps = np.arange(count) >= np.arange(4, count - 3)[:, None]
        panels = [scan.one_class(each + step) for each in noise for step in steps]
        return any(scan.changes([panel])[0] for panel in panels)

    assert (found(judgement.SHORTEST - 1), found(judgement.SHORTEST)) == (False, True)


def wandering(seed: int, machines: Sequence[str]) -> Maker:
    """A history of noise with long memory, in which the ranks see changes."""
    rng = np.random.default_rng(seed)
    walks = {(number, where): np.zeros(40) for number in range(4) for where in machines}
    for walk in walks.values():
        for place in range(1, 40):
            walk[place] = 0.6 * walk[place - 1] + rng.normal(0, 0.03)
    maker = Maker(commits=40, benchmarks=4, machines=machines, noise=1e-4)
    maker.factor = lambda number, place, where: float(np.exp(walks[number, where][place]))
    return maker


def test_what_its_own_interval_does_not_bear_out_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def contradicted(maker: Maker) -> bool:
        return any(each.low < 1 < each.high for each in look(maker).changes)

    one, two = ("zen4",), ("zen4", "arm")
    makers = [wandering(seed, machines) for seed, machines in ((43, one), (51, one), (8, two), (43, two), (51, two))]
    assert not any(map(contradicted, makers))
    monkeypatch.setattr(judgement, "is_consistent", lambda _: True)
    assert all(map(contradicted, makers)), "else these histories show nothing"


@pytest.mark.parametrize(
    ("selected", "said"),
    [
        ({"benchmark": "nothing"}, "matches none of 12 series"),
        ({"benchmark": "("}, "expected a regular expression"),
        ({"machine": "vax"}, "no machine 'vax'. Choose from: zen4"),
        ({"since": "yesterday"}, "expected a date such as"),
    ],
)
def test_wrong_selection(selected: dict[str, str], said: str) -> None:
    with pytest.raises(PacelineError, match=re.escape(said)):
        look(Maker(), **selected)


def test_nothing_recorded_is_an_error() -> None:
    with pytest.raises(PacelineError, match="no results to check"):
        judgement.check(History((), (), {}, ()))


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(60),
        np.full(60, 5.0),
        np.array([1e-3]),
        np.where(np.arange(60) % 7, np.nan, 1e-3),
        np.where(np.arange(60) % 2, 0.0, 1e-3),
        np.geomspace(1e-300, 1e300, 60),
        np.empty(0),
    ],
)
def test_odd_series_hide_no_other(values: np.ndarray) -> None:
    history = Maker(factor=step(3, 30, 1.2)).history()
    odd = one_series("odd", "zen4", np.arange(values.size), values)
    report = judgement.check(replace(history, series=(*history.series, odd)))
    assert all(math.isfinite(each.ratio) and each.ratio > 0 for each in report.changes)
    assert {"test_3"} <= {each.benchmark for each in report.changes} <= {"test_3", "odd"}


def test_values_that_are_no_numbers_are_left_out() -> None:
    history = Maker(factor=step(3, 40, 1.2)).history()
    for each in history.series:
        each.values[5:8] = math.nan, math.inf, -math.inf
    assert only(judgement.check(history)).benchmark == "test_3"


def test_one_run_alone_is_fine() -> None:
    assert look(Maker(commits=1)).changes == ()


def test_the_id_stays_as_runs_are_added() -> None:
    """And is another for another change."""
    ids = set()
    for commits in range(52, 100, 4):
        maker = Maker(commits=100, benchmarks=1, factor=step(0, 40, 1.06), noise=0.015)
        history = maker.history()
        one = history.series[0]
        cut = replace(one, runs=one.runs[:commits], values=one.values[:commits])
        ids |= {each.id for each in judgement.check(replace(history, series=(cut,))).changes}
    assert len(ids) == 1
    assert ids != {only(look(Maker(benchmarks=1, factor=step(0, 30, 1.06)))).id}


def test_quiet_histories_stay_quiet() -> None:
    for seed in range(5):
        assert look(Maker(commits=150, benchmarks=40, seed=seed, machines=("zen4", "arm"))).changes == ()


def test_same_history_same_report() -> None:
    maker = Maker(machines=("zen4", "arm"), factor=step(3, 30, 1.03))
    assert look(maker) == look(maker)


def test_level_of_a_suite_follows_the_machine_and_not_a_benchmark() -> None:
    rng = np.random.default_rng(2)
    truth = np.where(rng.random(300) < 0.1, 0.2, 0.0)
    values = truth + rng.normal(0, 0.01, (20, 300)) + rng.normal(size=(20, 1))
    values[:6, 150:] += 0.5
    values[rng.random(values.shape) < 0.1] = np.nan
    level = suite_wide.suite_level(values)
    assert np.abs(level - truth - np.median(level)).max() < 0.02


def test_median_of_known_is_numpys() -> None:
    values = np.random.default_rng(4).normal(size=(7, 9, 11))
    values[np.random.default_rng(5).random(values.shape) < 0.3] = np.nan
    for axis in range(3):
        assert np.array_equal(suite_wide.median_of_known(values, axis), np.nanmedian(values, axis=axis))
    assert np.isnan(suite_wide.median_of_known(np.full((3, 2), np.nan), 0)).all()


def test_whatever_the_history_findings_are_sound() -> None:
    """Gaps, few values, classes that come and go, changes anywhere, ties."""
    assert sum(map(sound_findings, range(40))) > 40


def sound_findings(seed: int) -> int:
    """Look at a random history; returns how many findings it has."""
    rng = np.random.default_rng(seed)
    machines = tuple("abcd"[: rng.integers(1, 5)])
    steps = {
        (number, machine): (rng.integers(0, 50), rng.choice([0.5, 0.9, 1.1, 3.0]))
        for number in range(10)
        for machine in machines
    }
    gaps = rng.choice([0.0, 0.3, 0.9])

    def factor(number: int, place: int, machine: str) -> float:
        at, ratio = steps[number, machine]
        return math.nan if rng.random() < gaps else float(ratio if place >= at else 1.0)

    maker = Maker(commits=int(rng.integers(1, 60)), benchmarks=10, machines=machines, factor=factor, seed=seed)
    history = replace(maker, noise=float(rng.choice([0.0, 0.02]))).history()
    places = {run.commit: number for number, run in enumerate(history.runs)}
    findings = judgement.check(history).changes
    for each in findings:
        assert each.machines
        assert 0 <= each.low <= each.ratio <= each.high
        assert places[each.before] < places[each.commits[0]] <= places[each.at] <= places[each.after]
        assert each.commits[-1] == each.after
        assert (each.kind.endswith("slower")) == (each.evidence["statistic"] > 0)
    return len(findings)
