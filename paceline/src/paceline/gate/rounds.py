"""Rounds: which benchmark is timed when, each time in a fresh pair of processes.

They go only to benchmarks that are still undecided, so a suite of many costs little more than its suspects.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from paceline.gate import schedule
from paceline.gate.pair import End, Pair
from paceline.gate.schedule import SIDES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paceline.gate.launcher import Launcher
    from paceline.gate.proof import Proof
    from paceline.gate.selection import Selection
    from paceline.gate.trees import Trees
    from paceline.gate.trial import Trial
    from paceline.gate.verdict import Benchmark


class Rounds:
    """Times the benchmarks of a trial."""

    def __init__(self, trial: Trial, selection: Selection, trees: Trees, launcher: Launcher, proof: Proof) -> None:
        self._trial = trial
        self._selection = selection
        self._trees = trees
        self._launcher = launcher
        self._proof = proof
        self._cpus = schedule.cpus()

    def run(self, until: float) -> None:
        """Time until all is decided or the budget is spent. Raises PacelineError if a side ran foreign code."""
        trial = self._trial
        count = 0
        while (undecided := trial.undecided()) and time.monotonic() < until:
            count += 1
            self._round(undecided, until)
            self._proof.show()
            left = len(trial.undecided())
            trial.say(f"round {count}: {len(undecided)} timed, {left} undecided")
        for benchmark in trial.undecided().values():
            benchmark.close(f"the budget of {trial.settings.budget:g} s is spent (--benchmark-budget)")

    def _round(self, undecided: Mapping[str, Benchmark], until: float) -> None:
        draw = schedule.draw(self._trial.coins, list(undecided))
        self._trees.slots.arrange(draw.base_at)
        left = list(draw.order)
        while left and time.monotonic() < until:
            with Pair(self._trees.folder, self._trial.settings.timeout, self._trial.coins) as pair:
                launches = {side: self._launcher.round(side, self._selection, draw, left) for side in SIDES}
                pair.start(launches, draw.first)
                left = self._visit_all(pair, undecided, left, until)

    def _visit_all(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str], until: float) -> list[str]:
        """Time these benchmarks in order. Returns those that a fresh pair must take over."""
        left = self._present(pair, undecided, left)
        while left and time.monotonic() < until:
            name = left.pop(0)
            benchmark = undecided[name]
            pinned = [self._trial.coins.choice(self._cpus)] if self._cpus else []
            visit = pair.visit(name, benchmark.recipe, pinned)
            for side, end in visit.ends.items():
                self._proof.add(side, name, end)
            benchmark.add(visit)
            if pair.lost or any(end.outcome == "failed" for end in visit.ends.values()):
                return left  # what spoilt this test may have spoilt its process
        return []

    def _present(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str]) -> list[str]:
        """Drop what a side could not collect; if it could not start at all, that is everything."""
        found = pair.collected()
        missing: dict[str, dict[str, End]] = {name: {} for name in left}
        for side, message in found.items():
            there = set() if isinstance(message, End) else set(message["items"])
            for name in left:
                if isinstance(message, End):
                    missing[name][side] = message
                elif name not in there:
                    missing[name][side] = End("missing", why_missing(name, message["errors"]))
        for name, ends in missing.items():
            if ends:
                undecided[name].fail(ends)
        return [name for name in left if not missing[name]]


def why_missing(name: str, errors: Mapping[str, str]) -> str:
    """Say why a side has not collected a benchmark, from what it could not collect."""
    for place, text in errors.items():
        if not place or name.startswith(place):
            return text
    return "not collected there: its parameters differ, or an option deselected it"
