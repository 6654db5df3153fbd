"""Values that a suite tracks: measured once on each side and shown, never judged, as asv knows no direction."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Value:
    """What a benchmark gave on both sides, None where it gave nothing; then `reason` says why."""

    name: str
    unit: str
    base: float | None = None
    head: float | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the order of the schema."""
        return asdict(self)
