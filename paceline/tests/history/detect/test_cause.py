"""The order of measurement tells a change by code from one by the machine's surroundings."""

from dataclasses import replace

import numpy as np
from histories import Factor, Maker
from paceline.history.detect import judgement
from paceline.history.model import History
from paceline.report.changes import Report

COMMITS = 80
#: Even commits were measured first, and the odd ones a year later.
TIMES = np.arange(1, COMMITS + 1) + 1000 * (np.arange(COMMITS) % 2)


def measured(maker: Maker, times: np.ndarray | None = TIMES) -> History:
    history = maker.history()
    started = np.zeros(COMMITS, dtype=int) if times is None else times
    return replace(
        history,
        runs=tuple(replace(run, started=int(when)) for run, when in zip(history.runs, started, strict=True)),
    )


def look(factor: Factor, times: np.ndarray | None = TIMES, noise: float = 0.01) -> Report:
    return judgement.check(measured(Maker(commits=COMMITS, benchmarks=20, factor=factor, noise=noise), times))


def by_code(number: int, place: int, _: str) -> float:
    return 1.2 if number < 3 and place >= 40 else 1.0


def late_in_time(number: int, place: int, _: str) -> float:
    """Make three benchmarks slower since a late moment, at which mostly newer commits were measured."""
    return 1.2 if number < 3 and LATE[place] else 1.0


#: Of the first forty commits, one in five was measured late; of the others, four in five.
LATE = np.array([(place % 5 == 4) == (place < 40) for place in range(COMMITS)])
LATE_TIMES = np.arange(1, COMMITS + 1) + 1000 * LATE


def test_a_change_that_is_sharp_in_commit_order_is_code() -> None:
    report = look(by_code)
    assert {(each.cause, each.is_alarm) for each in report.changes} == {("code", True)}
    assert report.changes[0].evidence["misfits"] == {"commits": 0.0, "measured": 20.0, "runs": 80}


def test_a_change_that_is_sharp_as_measured_is_the_surroundings_and_no_alarm() -> None:
    report = look(late_in_time, LATE_TIMES)
    assert len(report.changes) == 3
    assert {(each.cause, each.is_alarm) for each in report.changes} == {("surroundings", False)}
    assert report.changes[0].evidence["misfits"] == {"commits": 15.0, "measured": 0.0, "runs": 80}


def test_commits_that_were_measured_in_their_order_tell_nothing() -> None:
    report = look(by_code, np.arange(1, COMMITS + 1))
    assert {(each.cause, each.is_alarm) for each in report.changes} == {("unclear", True)}


def test_unknown_times_tell_nothing() -> None:
    report = look(by_code, None)
    assert {each.cause for each in report.changes} == {"unclear"}
    assert "misfits" not in report.changes[0].evidence


def test_code_among_surroundings_stays_an_alarm() -> None:
    def factor(number: int, place: int, where: str) -> float:
        return (1.3 if number == 9 and place >= 40 else 1.0) * late_in_time(number, place, where)

    causes = {each.benchmark: each.cause for each in look(factor, LATE_TIMES).changes}
    assert causes == {**{f"test_{number}": "surroundings" for number in range(3)}, "test_9": "code"}


def test_a_change_of_the_whole_suite_has_a_cause_too() -> None:
    report = look(lambda _, place, __: 1.2 if place >= 40 else 1.0)
    assert {(each.kind, each.cause) for each in report.changes} == {("suite-slower", "code")}


def test_noise_is_not_taken_for_the_surroundings() -> None:
    """However runs were measured, a change by code of the size of the noise is the surroundings' in no trial."""
    rng = np.random.default_rng(5)

    def factor(number: int, place: int, _: str) -> float:
        return float(np.exp(0.03 * (number < 4 and place >= 40)))

    causes = [each.cause for _ in range(5) for each in look(factor, 1 + rng.permutation(COMMITS), noise=0.02).changes]
    assert len(causes) >= 10
    assert "surroundings" not in causes
