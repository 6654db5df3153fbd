"""One benchmark's way to its verdict: round values in, a finding out.

Red needs both: no change rejected at this benchmark's share of alpha, and an estimate of at least the
tolerance. Green needs proof too: an exact upper bound below the tolerance. What has neither is `unsure`.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paceline.gate.estimates import detectable, estimate
from paceline.gate.finding import Finding, Verdict
from paceline.gate.schedule import SIDES
from paceline.gate.sequential import Direction, Monitor

if TYPE_CHECKING:
    from paceline.gate.pair import End, Recipe, Visit
    from paceline.gate.sequential import Plan

HOPELESS = 2.0  # times the tolerance: where nothing smaller can be seen, further rounds would be wasted
FAILURES = 2  # a test that fails is tried once more, in fresh processes


@dataclass
class Benchmark:
    """One benchmark on trial. `tolerance` is a fraction; `note` goes with every verdict."""

    name: str
    plan: Plan
    tolerance: float
    note: str | None = None
    verdict: Verdict | None = None
    recipe: Recipe | None = None
    values: list[float] = field(default_factory=list)
    _reason: str | None = None
    _seconds: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in SIDES})
    _failures: list[dict[str, End]] = field(default_factory=list)
    _monitor: Monitor = field(init=False)

    def __post_init__(self) -> None:
        self._monitor = Monitor(self.plan)

    def add(self, visit: Visit) -> None:
        """Take what one round found, and decide if that can be."""
        versions = {end.version for end in visit.ends.values()}
        if len(visit.ends) == len(SIDES) and len(versions) > 1:
            self._end(Verdict.CHANGED, f'extra_info["version"] differs: {" and ".join(map(str, versions))}')
            return
        value = visit.log_ratio() if visit.is_complete else None
        if value is None:
            self._note_failure(visit)
            return
        self.recipe = visit.recipe
        for side in SIDES:
            self._seconds[side].append(visit.seconds(side))
        self.take(value)

    def take(self, value: float) -> None:
        """Take a round's log-ratio, and decide if that can be."""
        self.values.append(value)
        self._decide()

    def close(self, why: str) -> None:
        """End undecided: rounds or budget are spent."""
        if self.verdict is None and not self.values:
            self._end(Verdict.UNAVAILABLE, f"not timed: {why}")
        elif self.verdict is None:
            self._end(Verdict.UNSURE, why)

    def fail(self, ends: dict[str, End]) -> None:
        """End by failures of one side or both."""
        head, base = ends.get("head"), ends.get("base")
        kind = Verdict.UNAVAILABLE
        if base is None and head is not None and head.outcome in {"failed", "crashed", "hung", "missing"}:
            kind = Verdict.BROKEN
        told = {side: f"{end.outcome}: {end.reason}" if end.reason else end.outcome for side, end in ends.items()}
        if len({*told.values()}) == 1 and len(told) == len(SIDES):
            self._end(kind, f"both sides {told['head']}")
        else:
            self._end(kind, "; ".join(f"{side} {text}" for side, text in told.items()))

    def _note_failure(self, visit: Visit) -> None:
        bad = {s: end for s, end in visit.ends.items() if end.outcome not in {"passed", "xfailed"}}
        if not bad and not visit.bursts:  # an expected failure before the benchmark was reached
            bad = dict(visit.ends)
        self._failures.append(bad)
        final = any(end.outcome in {"skipped", "unused", "hung", "crashed"} for end in bad.values())
        if final or len(self._failures) >= FAILURES:
            merged = {side: end for failure in self._failures for side, end in failure.items()}
            if merged:
                self.fail(merged)
            else:
                self._end(Verdict.UNAVAILABLE, "its clock stood still or jumped")

    def _decide(self) -> None:
        found = self._monitor.update(self.values)
        seen = estimate(self.values)
        limit = math.log1p(self.tolerance)
        not_slower = seen.upper is not None and seen.upper < limit
        if found is Direction.SLOWER and seen.value >= limit:
            self._end(Verdict.SLOWER, None)
        elif found is Direction.FASTER and seen.value <= -limit:
            self._end(Verdict.FASTER, None)
        elif not_slower and (seen.value > -limit or len(self.values) >= self.plan.rounds):
            self._end(Verdict.SAME, None)
        elif len(self.values) >= self.plan.rounds:
            self._end(Verdict.UNSURE, f"still undecided after {len(self.values)} rounds")
        elif self._is_hopeless(seen.value, limit):
            self._end(Verdict.UNSURE, "too noisy here: only gross slowdowns could be seen")

    def _is_hopeless(self, value: float, limit: float) -> bool:
        """Whether neither verdict is in sight, and the noise leaves no chance of one.

        It only ever ends a trial without a verdict, so it cannot raise the rate of false alarms.
        """
        if len(self.values) < self.plan.looks[0] or abs(value) >= limit:
            return False
        smallest = detectable(self.values, self.plan)
        return smallest is not None and smallest > HOPELESS * limit

    def _end(self, verdict: Verdict, reason: str | None) -> None:
        self.verdict = verdict
        self._reason = reason

    def finding(self) -> Finding:
        """Return what is known by now; undecided counts as unsure."""
        verdict = self.verdict or Verdict.UNSURE
        reason = "; ".join(filter(None, (self._reason, self.note))) or None
        if not self.values:
            if self.verdict is None:
                verdict, reason = Verdict.UNAVAILABLE, "not timed: the gate was stopped"
            return Finding(self.name, verdict.value, reason=reason)
        seen = estimate(self.values)
        smallest = detectable(self.values, self.plan)
        high = seen.upper if seen.high is None else seen.high
        return Finding(
            name=self.name,
            verdict=verdict.value,
            ratio=math.exp(seen.value),
            low=None if seen.low is None else math.exp(seen.low),
            high=None if high is None else math.exp(high),
            rounds=len(self.values),
            clock=self.recipe.clock if self.recipe else None,
            base_seconds=self._typical("base"),
            head_seconds=self._typical("head"),
            detectable=None if smallest is None else math.expm1(smallest),
            reason=reason,
        )

    def _typical(self, side: str) -> float | None:
        seconds = self._seconds[side]
        return statistics.median(seconds) if seconds else None
