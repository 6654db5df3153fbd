"""Explains what is slower or faster: samples both sides in further rounds, and asks the test which functions differ.

An explanation changes no verdict: its rounds are fresh ones, and what fails here is a notice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.gate.explain.account import ROUNDS, SampledRound, explain
from paceline.gate.pair import PASSED, End, Sampling
from paceline.gate.sides import schedule
from paceline.report.explanations import CallChange
from paceline.report.verdicts import Verdict
from paceline.system import host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from paceline.gate.budget import Costs
    from paceline.gate.explain.account import Function, Times
    from paceline.gate.pair import Pair, Visit
    from paceline.gate.trial import Trial
    from paceline.gate.verdict import Benchmark
    from paceline.gate.worker.messages import Message

LEAST, LONGEST = 0.15, 1.0  # seconds in which a side is sampled in a round: with less, explaining fewer is better
SPARE = 0.85  # of the time is planned: rounds differ
FIRST = 0.5  # of its share goes to the first round: a busy machine may take twice as long
TURN = 0.05  # seconds: the sides are sampled in turns of about this length, so that both meet the same machine
MOST_TURNS = 20
MOST_CALLS = 100  # functions whose calls differ
TOO_SHORT = "the time was too short (--benchmark-explain)"


@dataclass
class _Case:
    """One benchmark that is explained, with the rounds so far."""

    benchmark: Benchmark
    seconds: float  #: of a call, on the slower side
    rounds: list[SampledRound] = field(default_factory=list)
    samples: int = 0
    calls: tuple[CallChange, ...] = ()
    contents: dict[str, dict[Function, set[str]]] = field(default_factory=lambda: {side: {} for side in SIDES})

    def sampling(self, seconds: float) -> Sampling | None:
        """Return how to sample each side for about these seconds; None without a recipe."""
        recipe = self.benchmark.recipe
        if recipe is None:
            return None
        if recipe.cold:
            return Sampling(recipe, 1, 1)
        counted = not self.rounds
        turns = max(1, min(MOST_TURNS, int(seconds / max(self.seconds, TURN))))
        return Sampling(recipe, max(1, round(seconds / turns / self.seconds)), turns, counted)

    def add(self, visit: Visit) -> str:
        """Take a round; returns why it could not be used, or an empty text."""
        for side, end in visit.ends.items():
            if end.outcome not in PASSED or end.foreign:
                return f"{side} ran other code" if end.foreign else f"{side} {end.outcome}: {end.reason or ''}"
        times = {side: self._times(side, visit) for side in SIDES}
        if not visit.samples or not all(sum(each.values()) for each in times.values()):
            return "it could not be sampled"
        self.rounds.append(SampledRound(**times))
        self.calls = self.calls or changed_calls(visit.counts)
        return ""

    def _times(self, side: str, visit: Visit) -> Times:
        """Return nanoseconds per call of each function; notes their contents."""
        found: Times = {}
        calls = sum(burst[side]["iterations"] for burst in visit.samples)
        for each in (each for burst in visit.samples for each in burst[side]["functions"]):
            function = each["place"], each["name"]
            found[function] = found.get(function, 0.0) + each["nanoseconds"] / calls
            self.contents[side].setdefault(function, set()).update(each["contents"])
            self.samples += each["samples"]
        return found

    def code(self) -> dict[Function, str]:
        """Return which functions of the sides' trees have the same code, and which have not."""
        base, head = (self.contents[side] for side in SIDES)
        both = {each: (base[each], head[each]) for each in base.keys() & head.keys() if base[each] and head[each]}
        same = {each: "same" for each, (before, after) in both.items() if before == after}
        return same | {each: "changed" for each, (before, after) in both.items() if before.isdisjoint(after)}


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
        self._cases: dict[str, _Case] = {}

    def run(self) -> None:
        """Explain; the trial's `why` has the explanations after this."""
        found = {name: each for name, each in self._trial.decided().items() if each.recipe is not None}
        if not found or not self._trial.settings.explain:
            return
        self._until = self._clock() + self._trial.settings.explain
        self._cases = {name: _Case(each, _seconds(each)) for name, each in sorted(found.items(), key=_urgency)}
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
            if taken > share and seconds == LEAST and len(left) > 1:
                self._give_up(left[-1:], TOO_SHORT)
            seconds = _bounded(seconds * SPARE * share / taken)
        for name, each in self._cases.items():
            self._trial.why[name] = replace(explain(each.rounds, each.samples, each.code()), calls=each.calls)

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
                if reason := self._cases[name].add(visit):
                    self._give_up([name], TOO_SHORT if visit.is_cut else reason)


def changed_calls(passes: Sequence[Mapping[str, Message]]) -> tuple[CallChange, ...]:
    """Return the functions that the sides call differently often, if all passes of each side agree on them."""
    if any(each[side]["iterations"] != 1 for each in passes for side in SIDES):
        return ()
    counts = {side: [_calls(each[side]) for each in passes] for side in SIDES}
    found = []
    for file, function in dict.fromkeys(each for side in counts.values() for one in side for each in one):
        seen = {side: {one.get((file, function), 0) for one in counts[side]} for side in SIDES}
        if all(len(each) == 1 for each in seen.values()) and seen["base"] != seen["head"]:
            found.append(CallChange(file, function, *(seen[side].pop() for side in SIDES)))
    found.sort(key=lambda each: (not each.file, -abs(each.head - each.base), each.file))
    return tuple(found[:MOST_CALLS])


def _calls(counted: Message) -> dict[Function, int]:
    return {(each["place"], each["name"]): each["samples"] for each in counted["functions"]}


def _bounded(seconds: float) -> float:
    return min(LONGEST, max(LEAST, seconds))


def _seconds(benchmark: Benchmark) -> float:
    finding = benchmark.finding()
    return max(finding.base_seconds or 0.0, finding.head_seconds or 0.0, 1e-9)


def _urgency(pair: tuple[str, Benchmark]) -> tuple[bool, float]:
    """Put slower ones first, and those first whose time differs most."""
    finding = pair[1].finding()
    return finding.verdict != Verdict.SLOWER.value, -abs((finding.ratio or 1.0) - 1.0)
