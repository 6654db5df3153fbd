"""Values that an asv suite tracks: measured once per side, but not judged, as asv does not say if more is worse."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Value:
    """A benchmark's value on both sides; None where it returned none, with the `reason`."""

    name: str
    unit: str
    base: float | None = None
    head: float | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the order of the schema."""
        return asdict(self)
