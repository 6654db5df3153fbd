"""Rounds: which benchmark is timed when, each time in a fresh pair of processes.

They go only to benchmarks that are still undecided, so a suite of many costs little more than its suspects.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from paceline.errors import PacelineError
from paceline.gate import schedule, values
from paceline.gate.pair import End, Launch, Pair
from paceline.gate.schedule import SIDES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from paceline.gate.launcher import Launcher
    from paceline.gate.trees import Trees
    from paceline.gate.trial import Trial
    from paceline.gate.verdict import Benchmark

VALUES = 0.2  # of the budget, at most, goes to values, which decide nothing


class Rounds:
    """Times the benchmarks of a trial. `folder` takes sockets and logs of the processes."""

    def __init__(self, trial: Trial, trees: Trees, launcher: Launcher, folder: Path) -> None:
        self._trial = trial
        self._trees = trees
        self._launcher = launcher
        self._folder = folder
        self._cpus = schedule.cpus()

    def run(self, until: float) -> None:
        """Time until all is decided or the budget is spent. Raises PacelineError if a side ran foreign code."""
        trial = self._trial
        count = 0
        while (undecided := trial.undecided()) and time.monotonic() < until:
            count += 1
            self._round(undecided, until)
            left = len(trial.undecided())
            trial.say(f"round {count}: {len(undecided)} timed, {left} undecided")
        for benchmark in trial.undecided().values():
            benchmark.close(f"the budget of {trial.settings.budget:g} s is spent (--benchmark-budget)")

    def measure(self, names: Sequence[str], until: float) -> None:
        """Measure values, each in a fresh pair of processes as asv does, in at most a share of what is left."""
        now = time.monotonic()
        until = now + VALUES * (until - now)
        for name in names:
            if time.monotonic() >= until:
                self._trial.values.append(
                    values.Value(name, "", reason="not measured: its share of the budget is spent")
                )
                continue
            draw = schedule.draw(self._trial.coins, [name])
            self._trees.slots.arrange(draw.base_at)
            with Pair(self._folder, self._trial.settings.timeout, self._trial.coins) as pair:
                pair.start({side: self._side_launch(side, [name], draw) for side in SIDES}, draw.first)
                ends = self._missing(pair, [name])[name] or pair.visit(name, None, []).ends
            for side, end in ends.items():
                self._insist_on_own_code(side, name, end)
            self._trial.values.append(values.of(name, ends))

    def _round(self, undecided: Mapping[str, Benchmark], until: float) -> None:
        draw = schedule.draw(self._trial.coins, list(undecided))
        self._trees.slots.arrange(draw.base_at)
        left = list(draw.order)
        while left and time.monotonic() < until:
            with Pair(self._folder, self._trial.settings.timeout, self._trial.coins) as pair:
                launches = {side: self._side_launch(side, left, draw) for side in SIDES}
                pair.start(launches, draw.first)
                left = self._visit_all(pair, undecided, left, until)

    def _side_launch(self, side: str, items: Sequence[str], draw: schedule.Draw) -> Launch:
        root = self._trees.project(side)
        files = dict.fromkeys(str(root / name.partition("::")[0]) for name in items)
        return self._launcher.launch(side, [*self._launcher.ini(side), *files], items, draw)

    def _visit_all(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str], until: float) -> list[str]:
        """Time these benchmarks in order. Returns those that a fresh pair must take over."""
        left = self._present(pair, undecided, left)
        while left and time.monotonic() < until:
            name = left.pop(0)
            benchmark = undecided[name]
            pinned = [self._trial.coins.choice(self._cpus)] if self._cpus else []
            visit = pair.visit(name, benchmark.recipe, pinned)
            for side, end in visit.ends.items():
                self._insist_on_own_code(side, name, end)
            benchmark.add(visit)
            if pair.lost or any(end.outcome == "failed" for end in visit.ends.values()):
                return left  # what spoilt this test may have spoilt its process
        return []

    def _present(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str]) -> list[str]:
        """Drop what a side could not collect; if it could not start at all, that is everything."""
        missing = self._missing(pair, left)
        for name, ends in missing.items():
            if ends:
                undecided[name].fail(ends)
        return [name for name in left if not missing[name]]

    def _missing(self, pair: Pair, left: Sequence[str]) -> dict[str, dict[str, End]]:
        """Say of each benchmark which sides could not collect it, and why."""
        found = pair.collected()
        missing: dict[str, dict[str, End]] = {name: {} for name in left}
        for side, message in found.items():
            there = set() if isinstance(message, End) else set(message["items"])
            for name in left:
                if isinstance(message, End):
                    missing[name][side] = message
                elif name not in there:
                    missing[name][side] = End("missing", _why_missing(name, message["errors"]))
        return missing

    def _insist_on_own_code(self, side: str, name: str, end: End) -> None:
        if not end.foreign:
            return
        module, file = end.foreign[0]
        more = f" and {len(end.foreign) - 1} more" if len(end.foreign) > 1 else ""
        raise PacelineError(
            f"{side} did not run its own code in {name}: module {module!r} came from {file}{more}: install"
            " both sides (--benchmark-against-install), or remove the editable installation or PYTHONPATH"
            " entry that comes first"
        )


def _why_missing(name: str, errors: Mapping[str, str]) -> str:
    for place, text in errors.items():
        if not place or name.startswith(place):
            return text
    return "not collected there: its parameters differ, or an option deselected it"
