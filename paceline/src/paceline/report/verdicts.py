"""Verdicts on benchmarks. Standard library only, as is all of `report`.

So a job with write access to pull requests can show findings without installing anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paceline.report.explanations import Explanation
    from paceline.report.memory import Memory


class Verdict(Enum):
    """A gate's verdict on a benchmark."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    UNSURE = "unsure"
    UNTOUCHED = "untouched"
    NEW = "new"
    REMOVED = "removed"
    CHANGED = "changed"
    BROKEN = "broken"
    UNAVAILABLE = "unavailable"
    MORE = "more"  # of a benchmark that measures memory alone, as the next
    LESS = "less"


#: How urgent a finding is.
RED, SUSPECT, LET_THROUGH, UNSURE, HARMLESS = range(5)


@dataclass(frozen=True)
class Finding:
    """A verdict with its evidence.

    `ratio` is head's time over base's, with its exact 95 % interval `low` to `high`; with five rounds `low`
    is None and `high` the one-sided bound. `detectable`: the smallest slowdown (0.02 is 2 %) that nine
    gates in ten would call slower, at this noise. Times are seconds per call: base's median over
    rounds, and head's as `ratio` times that. `suspect`: unsure, and its whole interval lies above the tolerance.
    `critical`: it may be red; `red`: it fails the gate. `unproven`: not judged because of what one side declares,
    skips or counts. `touched`: why the change can touch it; None if that was not looked at.
    `why`: which functions make it slower or faster. `memory`: what it needs, which changes no verdict on its time.
    """

    name: str
    verdict: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    clock: str | None = None
    base_seconds: float | None = None
    head_seconds: float | None = None
    detectable: float | None = None
    reason: str | None = None
    suspect: bool = False
    tolerance: float | None = None
    critical: bool = True
    red: bool = False
    unproven: bool = False
    touched: str | None = None
    why: Explanation | None = None
    memory: Memory | None = None

    def judged(self, unsure: str, accepted: str | None) -> Finding:
        """Return the finding with `red` set, and the reason if it is excused from being red.

        `unsure`: pass, suspects or fail; `accepted`: why slower ones may pass.
        """
        would = (
            self.verdict in {Verdict.SLOWER.value, Verdict.BROKEN.value}
            or ((self.verdict == Verdict.UNSURE.value or self.unproven) and unsure == "fail")
            or (self.suspect and unsure == "suspects")
        )
        excuses = []
        if (self.verdict == Verdict.SLOWER.value or (would and self.unproven)) and accepted is not None:
            excuses.append(f"accepted: {accepted}")
        if would and not self.critical:
            excuses.append("not red: no pattern of `critical` matches it")
        reason = "; ".join(filter(None, (*excuses, self.reason))) or None
        return replace(self, red=(would and not excuses) or self.needs_too_much, reason=reason)

    @property
    def is_of_memory(self) -> bool:
        """Whether it is about a benchmark that measures memory alone."""
        return self.memory is not None and self.tolerance is None

    @property
    def needs_too_much(self) -> bool:
        """Whether its memory fails the gate."""
        return self.memory is not None and self.memory.red

    @property
    def urgency(self) -> int:
        """Return the place in every report; red findings come first."""
        if self.red:
            return RED
        if self.suspect:
            return SUSPECT
        if self.verdict in {Verdict.SLOWER.value, Verdict.BROKEN.value}:
            return LET_THROUGH
        return UNSURE if self.verdict == Verdict.UNSURE.value or self.unproven else HARMLESS

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the order of the schema."""
        why = None if self.why is None else self.why.as_json()
        return {**asdict(replace(self, why=None)), "why": why}
