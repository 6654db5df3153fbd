"""Measures the memory of benchmarks in pairs of processes that time nothing.

Benchmarks share a pair. One that fails in it, or that runs where a framework allocates outside Python, gets a pair of
its own: there the high-water mark of the process is its own too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.gate.sides import schedule
from paceline.gate.visit import PASSED, End
from paceline.report.memory import Method

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from paceline.gate.pair import Pair
    from paceline.gate.visit import Visit
    from paceline.gate.worker.messages import Message

    Start = Callable[[Sequence[str], schedule.Draw, Sequence[str]], Pair]

METHODS = {"peak": Method.TRACED, "high-water": Method.RESIDENT}


@dataclass(frozen=True)
class Reading:
    """What one call needs on one side, in one process. `outside`: loaded frameworks that allocate outside Python."""

    size: int  #: in bytes
    method: Method
    allocations: int | None = None
    outside: tuple[str, ...] = ()


Readings = dict[str, Reading]  # by side


@dataclass
class Weighed:
    """A benchmark whose memory is measured, with the passes so far. `failure`: why it cannot be."""

    name: str
    passes: list[Readings] = field(default_factory=list)
    is_apart: bool = False
    failure: str | None = None
    gauge: str | None = "peak"  #: None: to be found out in a process of its own

    def add(self, visit: Visit) -> None:
        """Take what a pair of processes found; the first failure only sets it apart."""
        if visit.is_cut:
            return
        if reason := _reason(visit):
            self.failure = reason if self.is_apart else None
            self.is_apart = True
            return
        readings = {side: _reading(visit, side) for side in visit.ends}
        is_outside = any(each.outside for each in readings.values())
        if not is_outside or any(each.method is not Method.TRACED for each in readings.values()):
            self.passes.append(readings)
            return
        self.gauge = "high-water" if self.is_apart else None  # it loads the framework itself, or another one did
        self.is_apart = True


def _reason(visit: Visit) -> str:
    """Return why there are no readings; empty if there are."""
    for side, end in visit.ends.items():
        if end.foreign:
            return f"{side} ran other code"
        if end.outcome not in PASSED and (end.outcome != "value" or end.value is None):
            return f"{side} {end.outcome}: {end.reason or 'no value'}"
        if end.outcome != "value" and visit.memory.get(side, _NOTHING)["bytes"] is None:
            return f"{side}: the calls are not made in the benchmark's process, or it traces memory itself"
    return ""


_NOTHING: Message = {"bytes": None}


def _reading(visit: Visit, side: str) -> Reading:
    value = visit.ends[side].value
    if value is not None:
        return Reading(round(value), Method.VALUE)
    found = visit.memory[side]
    return Reading(found["bytes"], METHODS[found["gauge"]], found["allocations"], tuple(found["outside"]))


class Scales:
    """Measures benchmarks. `start` starts a pair of processes, as for `Rounds`."""

    def __init__(
        self,
        coins: random.Random,
        start: Start,
        sides: Sequence[str] = SIDES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._coins = coins
        self._start = start
        self._sides = sides
        self.clock = clock

    def draw(self, cases: Sequence[Weighed]) -> schedule.Draw:
        """Draw a round over these."""
        return schedule.draw(self._coins, [each.name for each in cases])

    def weigh(self, cases: Sequence[Weighed], draw: schedule.Draw, until: float) -> None:
        """Measure each of these once, as far as the time goes."""
        by_name = {each.name: each for each in cases}
        ordered = [by_name[name] for name in draw.order]
        apart = [[each] for each in ordered if each.is_apart]
        for group in ([each for each in ordered if not each.is_apart], *apart):
            left = group
            while left and self.clock() < until:
                with self._start([each.name for each in left], draw, self._sides) as pair:
                    left = self._weigh_all(pair, left, until)

    def _weigh_all(self, pair: Pair, left: Sequence[Weighed], until: float) -> list[Weighed]:
        """Measure these in one pair; returns those that are left when it is lost."""
        left = self._present(pair, left, until)
        while left and not pair.lost and self.clock() < until:
            case = left.pop(0)
            was_apart = case.is_apart
            case.add(pair.weigh(case.name, case.gauge, until))
            if case.is_apart and not was_apart:
                break  # it has failed, or has loaded a framework, in these processes
        return left

    def _present(self, pair: Pair, cases: Sequence[Weighed], until: float) -> list[Weighed]:
        """Return those that all sides have collected."""
        for side, found in pair.collected(until).items():
            there = set() if isinstance(found, End) else set(found["items"])
            for case in (each for each in cases if each.name not in there):
                if not (isinstance(found, End) and found.outcome == "cut"):
                    case.failure = f"{side} could not " + ("start" if isinstance(found, End) else "collect it")
        return [] if pair.lost else [each for each in cases if each.failure is None]
