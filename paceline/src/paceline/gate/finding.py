"""What a gate says of a benchmark, in the standard library alone.

So is all that shows it: a job that may write to pull requests renders findings without installing anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """What a gate says of a benchmark."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    UNSURE = "unsure"
    NEW = "new"
    REMOVED = "removed"
    CHANGED = "changed"
    BROKEN = "broken"
    UNAVAILABLE = "unavailable"


# What fails its test; an unsure one does so only if asked.
RED = frozenset({Verdict.SLOWER.value, Verdict.BROKEN.value})


@dataclass(frozen=True)
class Finding:
    """A verdict with its evidence.

    `ratio` is head's time over base's, with its exact 95 % interval `low` to `high`; with five rounds `low`
    is None and `high` the one-sided bound. `detectable`: the smallest slowdown (0.02 is 2 %) that this noise
    would let the gate tell from none in nine trials of ten. Times are seconds per call.
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

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the order of the schema."""
        return asdict(self)
