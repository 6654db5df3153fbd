"""One benchmark's way to its verdict: round values in, a finding out.

Red needs both: no change rejected at this benchmark's share of alpha, and an estimate of at least the
tolerance. Green needs proof too: an exact upper bound below the tolerance. What has neither is `unsure`.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from paceline.config.options import SIDES
from paceline.gate.estimates import FEWEST_ROUNDS_SPREAD, detectable, estimate, reach
from paceline.gate.sequential import EARLIEST_LOOK, Direction, Monitor, plan
from paceline.gate.visit import PASSED, needed_pairs
from paceline.report.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from paceline.gate.estimates import Estimate
    from paceline.gate.sequential import Plan
    from paceline.gate.visit import End, Recipe, Visit

HOPELESS = 3.0  # times the tolerance: where nothing smaller can be seen, further rounds would be wasted
SHOWN = 100  # characters of a version
FAILURES = 2  # a test that fails, or whose process is killed, is tried once more, in fresh processes
FINAL = {"hung", "missing", "skipped", "unused"}  # outcomes for which that would be in vain, or too dear
FEWEST_DISTANCES = 5  # fewer say too little about the spread between bursts
CLOCK_ROUNDS = 3  # in which the clock may still change: fewer than any verdict takes


@dataclass
class Benchmark:
    """One benchmark on trial. `tolerance` is a fraction; `note` goes with every verdict.

    All of `values`, the log-ratios of its rounds, are of one clock.
    """

    name: str
    plan: Plan
    tolerance: float
    note: str | None = None
    critical: bool = True
    verdict: Verdict | None = None
    recipe: Recipe | None = None
    values: list[float] = field(default_factory=list)
    is_apart: bool = False  #: it has failed beside others: from now on it gets processes of its own
    _reason: str | None = None
    _unproven: bool = False
    _most_pairs: int = 1
    _visits: list[Visit] = field(default_factory=list)
    _cut: str | None = None
    _failures: list[dict[str, End]] = field(default_factory=list)
    _monitors: list[tuple[int, Monitor]] = field(init=False)  # each with the round after which it begins

    def __post_init__(self) -> None:
        self._monitors = [(0, Monitor(self.plan))]

    def confirm(self, level: float) -> None:
        """Test it on the rounds to come alone, too, at a level of their own."""
        self._monitors.append((len(self.values), Monitor(plan(level))))

    def add(self, visit: Visit) -> None:
        """Take what one round found, and decide if that can be."""
        if (versions := _differing_versions(visit)) is not None:
            self._end(Verdict.CHANGED, f'extra_info["version"] differs: {versions}', unproven=True)
            return
        if visit.is_complete:
            self._choose_clock(visit)
        value = visit.log_ratio(self.clock) if visit.is_complete else None
        if value is None:
            self.is_apart = True
            self.note_failure(self._failed(visit))
            return
        self._visits.append(visit)
        self._choose_pairs()
        self.take(value)

    @property
    def clock(self) -> str:
        """The clock that judges it, cpu or wall."""
        return self.recipe.clock if self.recipe else "wall"

    def _choose_clock(self, visit: Visit) -> None:
        """Take CPU time as soon as one of the first rounds speaks for it; earlier rounds are read on it again.

        What truly waits does so in every round. Each round speaks the same with its sides swapped, so the choice
        depends on no sign, and given it the signs are the fair coins that they were.
        """
        if self.recipe is None:
            self.recipe = visit.recipe
            self._most_pairs = visit.recipe.pairs if visit.recipe else 1
        elif len(self._visits) < CLOCK_ROUNDS and visit.clock == "cpu" and self.clock == "wall":
            self.recipe = replace(self.recipe, clock="cpu")
            self._visits = [each for each in self._visits if each.log_ratio("cpu") is not None]
            self.values = [value for each in self._visits if (value := each.log_ratio("cpu")) is not None]

    def _choose_pairs(self) -> None:
        """Let the next round have as many bursts as those so far show to be needed, and no more than the first."""
        distances = [distance for visit in self._visits for distance in visit.distances(self.clock)]
        if self.recipe is not None and len(distances) >= FEWEST_DISTANCES:
            pairs = min(self._most_pairs, needed_pairs(distances, self.tolerance))
            self.recipe = replace(self.recipe, pairs=pairs)

    def take(self, value: float) -> None:
        """Take a round's log-ratio, and decide if that can be."""
        self.values.append(value)
        self._decide()

    def close(self, why: str) -> None:
        """End it: the time is spent. What was only held to be perhaps faster is the same."""
        if self.verdict is not None:
            return
        if self.values and self._is_not_slower(estimate(self.values)):
            self._end(Verdict.SAME, None)
        else:
            self._end(Verdict.UNSURE, why if self.values else f"not timed: {self._cut or ''}{why}")

    def note_cut(self, visit: Visit, seconds: float) -> None:
        """Remember which side had not ended when the gate gave it no more time."""
        sides = [side for side, end in visit.ends.items() if end.outcome == "cut"]
        self._cut = f"{' and '.join(sides)} had not ended after {seconds:.0f} s; "

    def note_failure(self, ends: dict[str, End]) -> None:
        """Take how one side failed, or both; the second time ends it."""
        self._failures.append(ends)
        if len(self._failures) >= FAILURES or any(end.outcome in FINAL for end in ends.values()):
            merged = {side: end for failure in self._failures for side, end in failure.items()}
            if merged:
                self._fail(merged)
            else:
                self._end(Verdict.UNAVAILABLE, "its clock stood still or jumped", unproven=True)

    def note_alone(self, end: End | None) -> None:
        """Take how head ended while base did not run; None if there was no time for that."""
        if end is None or end.outcome == "cut":
            self._end(Verdict.UNSURE, f"{self._reason}; the budget was spent before head had run alone")
        elif end.outcome in PASSED:
            why = f"works only when one side runs: {self._reason}; alone it passed"
            self._end(Verdict.UNAVAILABLE, why, unproven=True)

    def _fail(self, ends: dict[str, End]) -> None:
        head, base = ends.get("head"), ends.get("base")
        kind = Verdict.UNAVAILABLE
        if base is None and head is not None and head.outcome in {"failed", "crashed", "hung", "missing"}:
            kind = Verdict.BROKEN
        told = {side: f"{end.outcome}: {end.reason}" if end.reason else end.outcome for side, end in ends.items()}
        if len({*told.values()}) == 1 and len(told) == len(SIDES):
            self._end(kind, f"both sides {told['head']}")
        else:
            text = "; ".join(f"{side} {text}" for side, text in told.items())
            self._end(kind, text, unproven=kind is Verdict.UNAVAILABLE and _could_run(base))

    def _failed(self, visit: Visit) -> dict[str, End]:
        """Say which sides are to blame for a round without a value."""
        bad = {side: end for side, end in visit.ends.items() if end.outcome not in PASSED}
        if not bad and not visit.bursts:  # an expected failure before the benchmark was reached
            bad = dict(visit.ends)
        return bad

    def _decide(self) -> None:
        found = {monitor.update(self.values[start:]) for start, monitor in self._monitors}
        seen = estimate(self.values)
        limit = self._limit
        if Direction.SLOWER in found and seen.value >= limit:
            self._end(Verdict.SLOWER, None)
        elif Direction.FASTER in found and seen.value <= -limit:
            self._end(Verdict.FASTER, None)
        elif self._is_not_slower(seen) and (seen.value > -limit or len(self.values) >= self.plan.rounds):
            self._end(Verdict.SAME, None)
        elif len(self.values) >= self.plan.rounds:
            self._end(Verdict.UNSURE, self._exhausted(seen))
        elif self._is_hopeless(seen.value, limit):
            self._end(Verdict.UNSURE, "too noisy here: only gross slowdowns could be seen")

    @property
    def _limit(self) -> float:
        return math.log1p(self.tolerance)

    def _is_not_slower(self, seen: Estimate) -> bool:
        return seen.upper is not None and seen.upper < self._limit

    def _is_suspect(self, seen: Estimate) -> bool:
        return seen.low is not None and seen.low > self._limit

    def _exhausted(self, seen: Estimate) -> str:
        advice = ": judge it alone (-k), so that it need not share alpha" if self._is_suspect(seen) else ""
        return f"still undecided after {len(self.values)} rounds{advice}"

    @property
    def is_suspect(self) -> bool:
        """Whether its whole 95 % interval lies above the tolerance."""
        return bool(self.values) and self._is_suspect(estimate(self.values))

    @property
    def least_excess(self) -> float:
        """How far the least of its values lies above the tolerance; negative when decided, or without rounds."""
        return min(self.values, default=-math.inf) - self._limit if self.verdict is None else -math.inf

    @property
    def suspicion(self) -> float:
        """How far its estimate lies above the tolerance, in units of what could be seen; without rounds least."""
        if not self.values:
            return -math.inf
        noise = reach(self.values, self.plan) or 0.0
        return (estimate(self.values).value - self._limit) / (self._limit + noise)

    @property
    def rounds_wanted(self) -> int:
        """Rounds until the next verdict may fall: `slower` by what is known so far, else `same`."""
        rounds = len(self.values)
        if rounds >= FEWEST_ROUNDS_SPREAD and self.suspicion >= 0:
            return next((look for look in self._looks if look > rounds), rounds + 1) - rounds
        return max(1, EARLIEST_LOOK - rounds)

    def rounds_to_slower(self) -> int | None:
        """Return how many more until `slower`, if they turn out as those so far; None if the plan has not as many."""
        rounds = len(self.values)
        monitors = [(start, Monitor(monitor.plan)) for start, monitor in self._monitors]
        expected = [self.values[place % rounds] for place in range(self.plan.rounds)] if rounds else []
        for look in self._looks if rounds else ():
            if any(monitor.update(expected[start:look]) is Direction.SLOWER for start, monitor in monitors):
                return max(1, look - rounds)
        return None

    @property
    def _looks(self) -> list[int]:
        """Rounds after which a test looks."""
        looks = {start + look for start, monitor in self._monitors for look in monitor.plan.looks}
        return sorted(look for look in looks if look <= self.plan.rounds)

    def _is_hopeless(self, value: float, limit: float) -> bool:
        """Whether neither verdict is in sight, and the noise leaves no chance of one.

        It only ever ends a trial without a verdict, so it cannot raise the rate of false alarms.
        """
        if len(self.values) < self.plan.looks[0] or abs(value) >= limit:
            return False
        smallest = reach(self.values, self.plan)
        return smallest is not None and smallest > HOPELESS * limit

    def _end(self, verdict: Verdict, reason: str | None, *, unproven: bool = False) -> None:
        if verdict in {Verdict.SAME, Verdict.FASTER} and (ratio := self._ratio_by_the_gates_clock()) is not None:
            verdict, unproven = Verdict.UNSURE, True
            reason = f"by the gate's own clock head takes {ratio:.2f} times as long, by the benchmark's it does not"
        self.verdict = verdict
        self._reason = reason
        self._unproven = unproven

    def _ratio_by_the_gates_clock(self) -> float | None:
        """Return head's time over base's as the gate's clock has it, if that contradicts a green verdict.

        The benchmark's clock runs in a process with head's code, which could have changed it.
        """
        pairs = [(visit.log_ratio(self.clock), visit.gates_log_ratio()) for visit in self._visits]
        both = [(own, gates) for own, gates in pairs if own is not None and gates is not None]
        hidden = estimate([own - gates for own, gates in both]) if both else None
        if hidden is None or hidden.upper is None or hidden.upper > -self._limit:
            return None
        return math.exp(estimate([gates for _, gates in both]).value)

    def finding(self) -> Finding:
        """Return what is known by now; undecided counts as unsure."""
        verdict = self.verdict or Verdict.UNSURE
        reason = "; ".join(filter(None, (self._reason, self.note))) or None
        about = Finding(self.name, verdict.value, reason=reason, tolerance=self.tolerance, critical=self.critical)
        about = replace(about, unproven=self._unproven)
        if not self.values:
            if self.verdict is None:
                return replace(about, verdict=Verdict.UNAVAILABLE.value, reason="not timed: the gate was stopped")
            return about
        seen = estimate(self.values)
        smallest = detectable(self.values, self.plan, self._limit)
        high = seen.upper if seen.high is None else seen.high
        base = statistics.median(visit.base_seconds(self.clock) for visit in self._visits) if self._visits else None
        return replace(
            about,
            ratio=math.exp(seen.value),
            low=None if seen.low is None else math.exp(seen.low),
            high=None if high is None else math.exp(high),
            rounds=len(self.values),
            clock=self.recipe.clock if self.recipe else None,
            base_seconds=base,
            head_seconds=None if base is None else base * math.exp(seen.value),
            detectable=None if smallest is None else math.expm1(smallest),
            suspect=verdict is Verdict.UNSURE and self._is_suspect(seen),
        )


def _differing_versions(visit: Visit) -> str | None:
    """Return the versions that the sides declare, if they differ and no side failed: a crash declares nothing."""
    if len(visit.ends) < len(SIDES) or not all(end.outcome in {"passed", "xfailed"} for end in visit.ends.values()):
        return None
    base, head = (visit.ends[side].version for side in SIDES)
    return None if base == head else f"base {(base or 'none')[:SHOWN]}, head {(head or 'none')[:SHOWN]}"


def _could_run(base: End | None) -> bool:
    """Whether base was in order but for what ended its process, which may have been head."""
    return base is None or base.outcome in {"passed", "crashed", "hung"}
