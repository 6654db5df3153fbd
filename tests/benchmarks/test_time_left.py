"""The time left is what the rest took the last time, at this run's pace, and never more exact than it is known."""

from __future__ import annotations

import pytest

from benchmarks import catalog, time_left
from benchmarks.time_left import TimeLeft


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, that the estimate sees."""
    now = [0.0]
    monkeypatch.setattr(time_left, "perf_counter", lambda: now[0])
    return now


def test_before_anything_is_measured_the_last_run_counts() -> None:
    assert TimeLeft(["a", "b"], {"a": 12.0, "b": 30.0, "gone": 99.0}).seconds() == pytest.approx(42)


def test_what_was_never_measured_takes_what_is_usual_or_is_listed() -> None:
    slow = "gradient_descent-article_python-article"
    assert TimeLeft(["a", slow], {}).seconds() == pytest.approx(time_left.USUAL + time_left.LONG[slow])


def test_a_slow_run_makes_the_rest_slow(clock: list[float]) -> None:
    left = TimeLeft(["a", "b", "c"], {"a": 90.0, "b": 90.0, "c": 50.0})
    for name in ("a", "b"):
        clock[0] += 180
        left.done(name)
    assert left.took == {"a": 180, "b": 180}
    assert 90 < left.seconds() < 100


def test_one_short_benchmark_decides_little(clock: list[float]) -> None:
    left = TimeLeft(["a", "b"], {"a": 0.1, "b": 60.0})
    clock[0] += 1
    left.done("a")
    assert 60 < left.seconds() < 70


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "about 5 s left"), (42, "about 40 s left"), (99, "about 100 s left"), (130, "about 2 min left")],
)
def test_it_is_said_roughly(seconds: float, text: str) -> None:
    assert str(TimeLeft(["a"], {"a": seconds})) == text


def test_nothing_is_left_after_the_last(clock: list[float]) -> None:
    left = TimeLeft(["a"], {})
    left.done("a")
    left.done("a benchmark that nobody expected")
    assert (str(left), left.seconds()) == ("", 0)


def test_what_will_not_come_is_forgotten() -> None:
    left = TimeLeft(["a", "b"], {"a": 20.0, "b": 30.0})
    left.expect_only(["a", "c"])
    assert left.seconds() == pytest.approx(20)


def test_the_long_ones_exist() -> None:
    for name in time_left.LONG:
        workload, contender, size = name.split("-")
        assert contender in catalog.contenders(workload)
        assert size in catalog.sizes(workload)
