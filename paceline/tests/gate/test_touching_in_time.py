"""Which benchmarks are recorded in which time, by a pair that runs nothing."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Self

import pytest
from paceline.config.options import SIDES
from paceline.gate import touching
from paceline.gate.touch.comparison import Touch
from paceline.gate.visit import End

EMPTY: dict[str, Any] = {key: {} for key in ("environment", "libraries", "named")}
NOTHING = EMPTY | {"items": [], "modules": [], "common": [], "names": []}


class Clock:
    """A clock that goes on only when it is told to."""

    now = 0.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


class FakePair:
    """Both processes; benchmarks run nothing, and pass.

    `seconds`: what a benchmark takes, if not one. `outcomes`: of those that do not pass, where each side has its own.
    """

    lost = False

    def __init__(self, clock: Clock, seconds: dict[str, float], outcomes: dict[str, str]) -> None:
        """Start with nothing."""
        self.clock, self.seconds, self.outcomes = clock, seconds, outcomes
        self.ran: list[str] = []
        self.apart: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, *_: object) -> None:
        """Do nothing."""

    def collected(self, _: float) -> dict[str, Any]:
        """Return nothing that went wrong."""
        return {}

    def rehearse(self, name: str, _seconds: float, until: float) -> dict[str, End]:
        """Note the benchmark, which ends in time, or is cut, and costs the processes."""
        self.ran.append(name)
        end = self.clock.now + self.seconds.get(name, 1)
        self.lost = end > until
        self.clock.now = min(end, until)
        return {side: End("cut" if self.lost else "passed") for side in SIDES}

    def rehearse_apart(
        self, parts: dict[str, Iterator[str]], _seconds: float, _until: Any
    ) -> Iterator[tuple[str, str, End]]:
        """Note a benchmark of each side, which together take a second."""
        while names := {side: name for side, part in parts.items() if (name := next(part, None)) is not None}:
            self.clock.now += 1
            for side, name in names.items():
                self.apart.setdefault(side, []).append(name)
                yield side, name, End(self.outcomes.get(name, "passed"), origin={"code": ["work"]})

    def recordings(self) -> dict[str, Any]:
        """Return what ran."""
        return {
            side: NOTHING | {"benchmarks": [{"name": name, "ran": []} for name in self.apart.get(side, self.ran)]}
            for side in SIDES
        }


def found(
    monkeypatch: pytest.MonkeyPatch,
    until: float,
    differing: str = "work.py",
    names: int = 100,
    seconds: dict[str, float] | None = None,
    outcomes: dict[str, str] | None = None,
) -> tuple[dict[str, Touch], list[FakePair]]:
    """Record benchmarks after a change of a file."""
    clock, pairs = Clock(), list[FakePair]()

    def pair(_: object) -> FakePair:
        pairs.append(FakePair(clock, seconds or {}, outcomes or {}))
        return pairs[-1]

    monkeypatch.setattr(touching, "time", clock)
    trial: Any = SimpleNamespace(pair=pair)
    trees: Any = SimpleNamespace(folder=None, differing=lambda: [differing])
    launcher: Any = SimpleNamespace(recording=lambda *_: None)
    proof: Any = SimpleNamespace(add=lambda *_: None, show=lambda _: None)
    selection: Any = None
    every = [f"t.py::test_{number}" for number in range(names)]
    return touching.Touching(trial, selection, trees, launcher, proof).find(every, until), pairs


def test_all_are_recorded_twice_in_two_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    touches, (first, second) = found(monkeypatch, 1000)
    assert all(touch.untouched for touch in touches.values())
    assert first.ran == [*touches] == second.ran[::-1]


def test_without_time_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    touches, (only,) = found(monkeypatch, -1)
    assert not touches
    assert not only.ran


def test_where_time_is_short_what_was_recorded_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last ones get no time: one that is cut would end the processes, with all that they have recorded."""
    touches, (first, second) = found(monkeypatch, 110)
    assert first.ran == [*touches][: len(first.ran)]
    assert second.ran == first.ran[: -len(second.ran) - 1 : -1]
    assert 20 < len(second.ran) <= len(first.ran) < 100
    for name, touch in touches.items():
        assert touch.untouched == (name in second.ran), name
        assert touch.untouched or touch.reason == "it was not recorded in time"


@pytest.mark.parametrize("names", [1, 2, 5])
def test_after_a_change_of_documents_each_side_runs_one_half(monkeypatch: pytest.MonkeyPatch, names: int) -> None:
    touches, (only,) = found(monkeypatch, 100, "README.md", names)
    assert len(touches) == names
    assert all(touch.untouched for touch in touches.values())
    assert {*only.apart["base"], *only.apart["head"]} == touches.keys()
    assert not only.ran
    assert only.clock.now == (names + 1) // 2


def test_a_half_that_takes_too_long_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    touches, (halves, *_) = found(monkeypatch, 60, "README.md")
    assert 0 < len(halves.apart["base"]) < 50
    assert touches
    assert not all(touch.untouched for touch in touches.values())


def test_one_slow_import_does_not_end_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"t.py::test_0": 15.0, "t.py::test_2": 15.0}
    touches, (first, second) = found(monkeypatch, 200, names=20, seconds=slow)
    assert all(touch.untouched for touch in touches.values())
    assert len(first.ran) == len(second.ran) == 20


def test_a_benchmark_that_fails_in_one_half_is_touched_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    touches, (only,) = found(monkeypatch, 100, "README.md", 6, outcomes={"t.py::test_4": "skipped"})
    assert not only.ran
    touched = {name: touch.reason for name, touch in touches.items() if not touch.untouched}
    assert touched == {"t.py::test_4": "head: skipped"}
    assert len(touches) == 6
