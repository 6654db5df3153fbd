"""Rounds: each times some of the undecided benchmarks, in a fresh pair of processes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.gate.budget import FEWEST, duration
from paceline.gate.screening import Screening
from paceline.gate.sides import schedule
from paceline.gate.visit import PASSED, End
from paceline.report import values
from paceline.report.verdicts import Verdict
from paceline.system import host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from paceline.gate.budget import Budget
    from paceline.gate.pair import Pair
    from paceline.gate.proof import Proof
    from paceline.gate.sides.launcher import Launcher
    from paceline.gate.sides.selection import Selection
    from paceline.gate.sides.trees import Trees
    from paceline.gate.trial import Trial
    from paceline.gate.verdict import Benchmark
    from paceline.gate.visit import Visit


DEAR = 0.5  # of the budget: what takes so long for its fewest rounds is told what it takes
VALUES = 0.2  # of the budget, at most, goes to values, which decide nothing
MARGIN = 1.1  # times what is left to do: the budget that is advised


class Pairs:
    """Starts the pairs of a trial."""

    def __init__(self, trial: Trial, selection: Selection, trees: Trees, launcher: Launcher) -> None:
        self._trial = trial
        self._selection = selection
        self._trees = trees
        self._launcher = launcher

    def __call__(self, names: Sequence[str], draw: schedule.Draw, sides: Sequence[str]) -> Pair:
        """Start these sides, as drawn, to run these benchmarks."""
        self._trees.slots.arrange(draw.base_at)
        launches = {side: self._launcher.round(side, self._selection, draw, names) for side in sides}
        pair = self._trial.pair(self._trees.folder)
        pair.start(launches, draw.first)
        return pair


class Rounds:
    """Times the benchmarks of a trial until all is decided or the budget is spent.

    `start` starts a pair of processes: tests put one there that takes no time.
    """

    def __init__(
        self,
        trial: Trial,
        start: Callable[[Sequence[str], schedule.Draw, Sequence[str]], Pair],
        budget: Budget,
        proof: Proof,
    ) -> None:
        self._trial = trial
        self._start = start
        self._budget = budget
        self._proof = proof
        self._cpus = host.cpus()

    def run(self) -> None:
        """Give rounds until there is nobody left. Raises PacelineError if a side ran foreign code."""
        trial, count = self._trial, 0
        screening = Screening(trial.alpha, trial.undecided().values())
        while undecided := trial.undecided():
            chosen, lost = self._budget.choose(undecided)
            self._give_up(lost, others=bool(chosen))
            if not chosen:
                continue  # the dearer ones come next, if they can
            count += 1
            timed = self._round(chosen, undecided)
            self._confirm({name: each for name, each in undecided.items() if each.verdict is Verdict.BROKEN})
            self._proof.show(undecided)
            screening.update()
            left = trial.undecided()
            trial.say(f"round {count}: {timed} timed, {len(left)} undecided")
            if count == 1 and left:
                slower = screening.rounds_to_slower(left.values())
                trial.say(self._budget.forecast(left, slower, trial.settings.budget))

    def measure(self, names: Sequence[str]) -> None:
        """Measure values, each in a fresh pair of processes as asv does, in at most a share of what is left."""
        least = (1 - VALUES) * self._budget.left
        for name in names:
            if self._budget.left < least:
                why = "not measured: its share of the budget is spent"
                self._trial.values.append(values.Value(name, "", reason=why))
                continue
            with self._start([name], schedule.draw(self._trial.coins, [name]), SIDES) as pair:
                until = self._budget.clock() + self._budget.left
                ends = self._missing(pair, [name])[name] or pair.visit(name, None, [], until).ends
            for side, end in ends.items():
                self._proof.add(side, name, end)
            self._trial.values.append(_value_of(name, ends))

    def _give_up(self, names: Sequence[str], *, others: bool) -> None:
        undecided, left = self._trial.undecided(), self._budget.left
        for name in names:
            is_left = not others and left > self._budget.costs.longest(name)
            where = "went to more suspicious or cheaper benchmarks" if others else "is spent"
            text = f"the budget of {self._trial.settings.budget:g} s"
            text = f"{duration(left)} of {text} are left" if is_left else f"{text} {where}"
            undecided[name].close(text + self._what_settles(undecided[name], is_left=is_left))

    def _what_settles(self, benchmark: Benchmark, *, is_left: bool) -> str:
        """Say how much more a suspect would need, or what is too dear for this budget, or for what is left of it."""
        budget, left = self._trial.settings.budget, self._budget.left
        a_round = self._budget.costs.longest(benchmark.name)
        more, text = benchmark.rounds_to_slower(), "{rounds} more rounds, about {time}, would settle it"
        if not benchmark.is_suspect:
            if not is_left and FEWEST * self._budget.costs.visit(benchmark.name) < DEAR * budget:
                return " (--benchmark-budget)"
            more, text = benchmark.rounds_wanted, "a round of it takes some {one}, and it needs {rounds} more"
        elif more is None:
            return ": judge it alone (-k), so that it need not share alpha"
        total = _rounded_up(budget - max(0.0, left) + MARGIN * more * a_round)
        told = text.format(rounds=more, time=duration(more * a_round), one=duration(a_round))
        return f": {told} (--benchmark-budget={total})"

    def _round(self, chosen: Sequence[str], undecided: Mapping[str, Benchmark]) -> int:
        """Time these benchmarks once, as far as the time allows; returns how many."""
        draw = schedule.draw(self._trial.coins, chosen)
        left = list(draw.order)
        self._budget.begin_round(chosen)
        while self._budget.left > 0 and (allowed := [*filter(self._budget.may_visit, left)]):
            started = self._budget.clock()
            together = [name for name in allowed if not undecided[name].is_apart] or allowed[:1]
            left = [name for name in left if name not in together]
            with self._start(together, draw, SIDES) as pair:
                rest = self._present(pair, undecided, together)
                self._budget.costs.add_pair(self._budget.clock() - started, pair.files)
                left = self._visit_all(pair, undecided, rest) + left
        return len(chosen) - len(left)

    def _confirm(self, broken: Mapping[str, Benchmark]) -> None:
        """Run head alone before it is called broken: both sides may want what only one can have, such as a port."""
        left = list(broken)
        while left and self._budget.left > 0:
            with self._start(left, schedule.draw(self._trial.coins, left), ("head",)) as pair:
                missing = {name: ends["head"] for name, ends in self._missing(pair, left).items() if ends}
                for name, end in missing.items():
                    broken[name].note_alone(end)
                left = [name for name in left if name not in missing]
                while left and not pair.lost and self._budget.left > 0:
                    name = left.pop(0)
                    end = self._visit(pair, broken[name], self._budget.until).ends["head"]
                    broken[name].note_alone(end)
                    if end.outcome not in PASSED:
                        break
        for name in left:
            broken[name].note_alone(None)

    def _visit_all(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str]) -> list[str]:
        """Time these benchmarks in order. Returns those that are left for a fresh pair, or for another round."""
        budget, waiting = self._budget, []
        while left and not pair.lost and budget.left > 0:
            name = left.pop(0)
            if not budget.may_visit(name):
                waiting.append(name)
                continue
            started = budget.clock()
            visit = self._visit(pair, undecided[name], started + budget.share(name, len(undecided)))
            taken = budget.clock() - started
            if visit.is_cut:
                budget.costs.add_cut(name, taken)
                undecided[name].note_cut(visit, taken)
                continue
            budget.costs.add_visit(name, taken)
            undecided[name].add(visit)
            if any(end.outcome == "failed" or end.spoilt for end in visit.ends.values()):
                break  # what spoilt this test may have spoilt its process
        return left + waiting

    def _visit(self, pair: Pair, benchmark: Benchmark, until: float) -> Visit:
        pinned = [self._trial.coins.choice(self._cpus)] if self._cpus else []
        visit = pair.visit(benchmark.name, benchmark.recipe, pinned, until)
        for side, end in visit.ends.items():
            self._proof.add(side, benchmark.name, end)
        return visit

    def _present(self, pair: Pair, undecided: Mapping[str, Benchmark], left: list[str]) -> list[str]:
        """Drop what a side could not collect; if it could not start at all, that is everything."""
        missing = self._missing(pair, left)
        if any(end.outcome == "cut" for ends in missing.values() for end in ends.values()):
            return left
        for name, ends in missing.items():
            if ends:
                undecided[name].note_failure(ends)
        return [name for name in left if not missing[name]]

    def _missing(self, pair: Pair, left: Sequence[str]) -> dict[str, dict[str, End]]:
        """Say of each benchmark which sides could not collect it, and why."""
        missing: dict[str, dict[str, End]] = {name: {} for name in left}
        for side, message in pair.collected(self._budget.until).items():
            there = set() if isinstance(message, End) else set(message["items"])
            for name in left:
                if isinstance(message, End):
                    missing[name][side] = message
                elif name not in there:
                    missing[name][side] = End("missing", why_missing(name, message["errors"]))
        return missing


MISSING = "not collected there: its parameters differ, or an option deselected it"


def why_missing(name: str, errors: Mapping[str, str], default: str = MISSING) -> str:
    """Say why a side has not collected a benchmark, from what it could not collect."""
    for place, text in errors.items():
        if not place or name.startswith(place):
            return text
    return default


def _rounded_up(seconds: float) -> int:
    """Round up to two digits."""
    step: int = 10 ** max(0, math.floor(math.log10(seconds)) - 1)
    return math.ceil(seconds / step) * step


def _value_of(name: str, ends: Mapping[str, End]) -> values.Value:
    """Return what both sides said of one benchmark."""
    units = [end.unit for end in ends.values() if end.unit]
    found = {side: end.value for side, end in ends.items()}
    told = {side: end.reason or end.outcome for side, end in ends.items() if end.outcome != "value"}
    if len(set(told.values())) == 1 and len(told) > 1:
        told = {"both sides": next(iter(told.values()))}
    reason = "; ".join(f"{side}: {text}" for side, text in told.items()) or None
    return values.Value(name, units[0] if units else "", found.get("base"), found.get("head"), reason)
