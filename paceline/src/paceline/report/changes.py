"""Changes in a history, as `paceline check` reports them. Data only: `history.detect` finds them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

SHORT = 10  # digits of a commit in a command
#: Of values for the worse and for the better, by unit.
WORDS = {"seconds": ("slower", "faster"), "bytes": ("more memory", "less memory")}


@dataclass(frozen=True)
class Accepted:
    """A change that was reviewed and may stay; an entry in `.paceline/accepted.toml`."""

    id: str
    kind: str  #: slower, faster, suite-slower or suite-faster
    benchmark: str  #: as asv names it; "" for a whole suite
    parameters: tuple[str, ...]
    engine: str
    environment: str
    machines: tuple[str, ...]
    commit: str  #: the first at the new level, as estimated when it was accepted
    ratio: float  #: after / before
    reason: str
    date: date

    @property
    def name(self) -> tuple[str, tuple[str, ...], str, str]:
        """Return the name of the changed benchmark, as `tracks.Track.name` does."""
        return self.benchmark, self.parameters, self.engine, self.environment


@dataclass(frozen=True)
class Change:
    """A change of one benchmark, or of a whole suite.

    `ratio` is after / before with its 95 % interval, in which infinity and 0 mean no bound. `before` is the last
    commit that surely lies before the change, `after` the first that surely lies after it. `commits` are the measured
    commits from the first suspect to `after`; `at` is the most likely first commit at the new level.
    """

    id: str
    kind: str  #: slower, faster, suite-slower or suite-faster
    benchmark: str  #: as asv names it; "" for a whole suite
    parameters: tuple[str, ...]
    engine: str
    environment: str
    machines: tuple[str, ...]  #: where it happened
    elsewhere: str | None  #: on other machines: "same" if proved for all of them, else "unclear"; None: no others
    ratio: float
    left: float  #: of the ratio, by later changes; the ratio itself if they undid nothing
    low: float
    high: float
    before: str
    after: str
    at: str
    commits: tuple[str, ...]
    date: int  #: of `at`, milliseconds since 1970
    state: str  #: new, accepted, recovered (undone by later changes) or gone (no longer measured)
    dependencies: tuple[Difference, ...] = ()
    facts: tuple[Difference, ...] = ()
    accepted: Accepted | None = None
    cause: str = "unclear"  #: code or surroundings, where the order of measurement shows it
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_alarm(self) -> bool:
        """Whether it is a new slowdown, which fails the check; not one that the machine's surroundings caused."""
        return self.state == "new" and self.is_slower and self.cause != "surroundings"

    @property
    def is_slower(self) -> bool:
        """Whether it is a slowdown."""
        return self.kind.endswith("slower")

    @property
    def word(self) -> str:
        """Return slower or faster of times, more or less memory of bytes, worse or better of other values."""
        worse, better = WORDS.get(self.evidence.get("unit", "seconds"), ("worse", "better"))
        return worse if self.is_slower else better

    @property
    def explain(self) -> str:
        """Return the command that names the functions behind it; nothing if it is not a time of one of our tests.

        The parameters of asv's benchmarks are apart from their names.
        """
        is_time = self.evidence.get("unit", "seconds") == "seconds"
        if not self.benchmark or self.parameters or not is_time or not self.engine.startswith("pytest"):
            return ""
        return shlex.join(["paceline", "explain", self.benchmark, self.before[:SHORT], self.after[:SHORT]])

    @property
    def is_partly_recovered(self) -> bool:
        """Whether later changes undid a part of it."""
        return self.state == "new" and self.left != self.ratio


@dataclass(frozen=True)
class Difference:
    """A package or fact that differs between the two sides; None where it is missing."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Quarantined:
    """A file that could not be used, with the reason in one line."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Report:
    """The changes, those first of which most is left, and notices about series and runs that could not be judged."""

    changes: tuple[Change, ...]
    notices: tuple[str, ...]
