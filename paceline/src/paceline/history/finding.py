"""What a check finds, for those who show it, remember it or publish it, and need not know how it was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paceline.history.known import Known


@dataclass(frozen=True)
class Finding:
    """A change of one benchmark, or of a whole suite.

    `ratio` is after / before with its 95 % interval, in which infinity and 0 mean no bound. `before` is the last
    commit that surely lies before the change, `after` the first that surely lies after it, `commits` the measured
    ones from the first suspect to `after`, `at` the likeliest first of the new level.
    """

    id: str
    kind: str  #: slower, faster, suite-slower or suite-faster
    benchmark: str  #: as asv names it; "" for a whole suite
    parameters: tuple[str, ...]
    engine: str
    environment: str
    machines: tuple[str, ...]  #: hardware classes on which it happened
    elsewhere: str | None  #: on the others: "same" if that is proved for all of them, else "unclear"; None: no others
    ratio: float
    low: float
    high: float
    before: str
    after: str
    at: str
    commits: tuple[str, ...]
    date: int  #: of `at`, milliseconds since 1970
    state: str  #: new, known, recovered (made up for by later changes) or gone (no longer measured)
    dependencies: tuple[Difference, ...] = ()
    facts: tuple[Difference, ...] = ()
    known: Known | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_alarm(self) -> bool:
        """Whether somebody has to look at it."""
        return self.state == "new" and self.kind.endswith("slower")


@dataclass(frozen=True)
class Difference:
    """A package or fact that differs between the two sides; None where it is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Report:
    """What a check found, worst first, and what it could not judge."""

    findings: tuple[Finding, ...]
    notices: tuple[str, ...]
