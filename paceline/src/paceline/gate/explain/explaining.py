"""Explains what is slower or faster: samples both sides in further rounds, and asks the test which functions differ.

An explanation changes no verdict: its rounds are fresh ones, and what fails here is a notice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.gate.explain import native
from paceline.gate.explain.account import ROUNDS
from paceline.gate.explain.cases import Case
from paceline.gate.sides import schedule
from paceline.gate.visit import End
from paceline.report.verdicts import Verdict
from paceline.system import host

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paceline.gate.budget import Costs
    from paceline.gate.pair import Pair
    from paceline.gate.trial import Trial
    from paceline.gate.verdict import Benchmark

LEAST, LONGEST = 0.15, 1.0  # seconds in which a side is sampled in a round: with less, explaining fewer is better
SPARE = 0.85  # of the time is planned: rounds differ
COUNTED = 200  # times a call's time must fit into the limit, for calls to be counted: that takes six slow calls
FIRST = 0.5  # of its share goes to the first round: a busy machine may take twice as long
TOO_SHORT = "the time was too short (--benchmark-explain)"


class Explainer:
    """Explains the slower and the faster benchmarks of a trial, as far as the time goes.

    `start` starts a pair of processes, as for `Rounds`.
    """

    def __init__(
        self,
        trial: Trial,
        start: Callable[[Sequence[str], schedule.Draw, Sequence[str]], Pair],
        costs: Costs,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trial = trial
        self._start = start
        self._costs = costs
        self._clock = clock
        self._cpus = host.cpus()
        self._until = 0.0
        self._cases: dict[str, Case] = {}

    def run(self) -> None:
        """Explain; the trial's `why` has the explanations after this, and its `flames` the stacks."""
        found = {name: each for name, each in self._trial.to_explain().items() if each.recipe is not None}
        if not found or not self._trial.settings.explain:
            return
        self._until = self._clock() + self._trial.settings.explain
        self._cases = {name: self._case(each) for name, each in sorted(found.items(), key=_urgency)}
        seconds = self._limit()
        self._tell()
        while left := [name for name, each in self._cases.items() if len(each.rounds) < ROUNDS]:
            started = self._clock()
            rounds = ROUNDS - min(len(self._cases[name].rounds) for name in left)
            if started >= self._until:
                self._give_up(left, TOO_SHORT)
                break
            self._round(left, seconds)
            share, taken = (self._until - self._clock()) / max(1, rounds - 1), self._clock() - started
            if taken > share and seconds == LEAST and len(left) > 1 and rounds < ROUNDS:  # the first one also counts
                self._give_up(left[-1:], TOO_SHORT)
            seconds = _bounded(seconds * SPARE * share / taken)
        for name, each in self._cases.items():
            self._trial.why[name] = each.explanation()
            self._trial.flames.append(each.flames(self._trial.why[name]))

    def _case(self, benchmark: Benchmark) -> Case:
        seconds = _seconds(benchmark)
        return Case(benchmark, seconds, COUNTED * seconds <= self._trial.settings.explain, native.tool())

    def _tell(self) -> None:
        if self._cases:
            count = len(self._cases)
            self._trial.say(
                f"explaining {count} benchmark{'s' * (count > 1)}: at most {self._trial.settings.explain:g} s"
            )

    def _limit(self) -> float:
        """Give up the last ones until the time goes far enough; returns seconds to sample each side at first."""
        names, dropped = list(self._cases), []
        share = SPARE * (self._until - self._clock()) / ROUNDS
        while names and self._costs.round(names) + self._sampled(names) > share:
            dropped.append(names.pop())
        self._give_up(dropped[::-1], TOO_SHORT)
        return _bounded(FIRST * (share - self._costs.round(names)) / len(SIDES) / max(1, len(names)))

    def _sampled(self, names: Sequence[str]) -> float:
        """Return the least time of sampling these on both sides."""
        return sum(len(SIDES) * max(LEAST, self._cases[name].seconds) for name in names)

    def _give_up(self, names: Sequence[str], reason: str) -> None:
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            self._trial.notices.append(f"not explained: {names[0]}{more}: {reason}")
        for name in names:
            self._cases.pop(name, None)

    def _round(self, names: Sequence[str], seconds: float) -> None:
        """Sample these once, all in one pair of processes except those that failed next to others."""
        apart = [[name] for name in names if self._cases[name].benchmark.is_apart]
        for group in ([name for name in names if [name] not in apart], *apart):
            draw = schedule.draw(self._trial.coins, group)
            if group:
                with self._start(group, draw, SIDES) as pair:
                    self._visit_all(pair, draw.order, seconds)

    def _visit_all(self, pair: Pair, names: Sequence[str], seconds: float) -> None:
        ended = [side for side, each in pair.collected(self._until).items() if isinstance(each, End)]
        if ended:
            is_late = self._clock() >= self._until
            self._give_up(names, TOO_SHORT if is_late else f"{' and '.join(ended)} could not start")
            return
        for name in names:
            if pair.lost:
                return
            sampling = self._cases[name].sampling(seconds)
            if sampling is not None:
                pinned = [self._trial.coins.choice(self._cpus)] if self._cpus else []
                visit = pair.sample(name, sampling, pinned, self._until)
                if visit.unwatched:
                    self._trial.notices.append(f"functions in C of {name} are not shown: py-spy: {visit.unwatched}")
                if reason := self._cases[name].add(visit):
                    self._give_up([name], TOO_SHORT if visit.is_cut else reason)


def _bounded(seconds: float) -> float:
    return min(LONGEST, max(LEAST, seconds))


def _seconds(benchmark: Benchmark) -> float:
    finding = benchmark.finding()
    return max(finding.base_seconds or 0.0, finding.head_seconds or 0.0, 1e-9)


def _urgency(pair: tuple[str, Benchmark]) -> tuple[bool, float]:
    """Put slower ones first, and those first whose time differs most."""
    finding = pair[1].finding()
    return finding.verdict != Verdict.SLOWER.value, -abs((finding.ratio or 1.0) - 1.0)
