"""Values that a suite tracks: measured once on each side and shown, never judged, as asv knows no direction."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paceline.gate.pair import End


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


def of(name: str, ends: Mapping[str, End]) -> Value:
    """Return what both sides said of one benchmark."""
    units = [end.unit for end in ends.values() if end.unit]
    found = {side: end.value for side, end in ends.items()}
    told = {side: end.reason or end.outcome for side, end in ends.items() if end.outcome != "value"}
    if len(set(told.values())) == 1 and len(told) > 1:
        told = {"both sides": next(iter(told.values()))}
    reason = "; ".join(f"{side}: {text}" for side, text in told.items()) or None
    return Value(name, units[0] if units else "", found.get("base"), found.get("head"), reason)
