"""How much memory a benchmark needs on both sides, with the verdict, as data and as one line."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))


class MemoryVerdict(Enum):
    """A gate's verdict on a benchmark's memory."""

    MORE = "more"
    LESS = "less"
    SAME = "same"
    UNSURE = "unsure"
    UNAVAILABLE = "unavailable"


class Method(Enum):
    """How bytes were measured."""

    TRACED = "tracemalloc"
    RESIDENT = "high-water mark"
    VALUE = "asv"


@dataclass(frozen=True)
class Memory:
    """What one call needs on each side.

    `method`: how bytes were measured, None if they were not. `exact`: all passes of each side agree on the bytes, so
    their difference is a fact; else `ratio` is head's bytes over base's, with its 95 % interval over `rounds`.
    Allocations are None where they were not counted, or passes disagree. The tolerance is a fraction, or in bytes.
    `red`: it fails the gate.
    """

    verdict: str
    method: str | None = None
    exact: bool = False
    base_bytes: int | None = None
    head_bytes: int | None = None
    base_allocations: int | None = None
    head_allocations: int | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    tolerance: float | None = None
    tolerance_bytes: int | None = None
    reason: str | None = None
    red: bool = False

    def judged(self, unsure: str, accepted: str | None, *, critical: bool) -> Memory:
        """Return it with `red` set for a gate that fails by memory, or the reason why it is excused.

        `unsure`: pass, suspects or fail; `accepted`: why more may pass.
        """
        is_more = self.verdict == MemoryVerdict.MORE.value
        unproven = {MemoryVerdict.UNSURE.value, MemoryVerdict.UNAVAILABLE.value}
        would = is_more or (self.verdict in unproven and unsure == "fail")
        excuses = [f"accepted: {accepted}"] if is_more and accepted is not None else []
        if would and not critical:
            excuses.append("not red: no pattern of `critical` matches it")
        reason = "; ".join(filter(None, (*excuses, self.reason))) or None
        return replace(self, red=would and not excuses, reason=reason)

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the order of the schema."""
        return asdict(self)

    def __str__(self) -> str:
        texts = (self._allocations(), self._peak(), self.reason)
        return "; ".join(filter(None, (", ".join(filter(None, texts[:2])), texts[2])))

    def _allocations(self) -> str:
        base, head = self.base_allocations, self.head_allocations
        if base is None or head is None:
            return ""
        return f"allocates {f'{base:,} -> {head:,}' if base != head else f'{base:,}'} blocks"

    def _peak(self) -> str:
        if self.base_bytes is None or self.head_bytes is None:
            return ""
        name = {Method.VALUE.value: "size", Method.RESIDENT.value: "high-water mark"}.get(str(self.method), "peak")
        text = f"{name} {change(self.base_bytes, self.head_bytes)}"
        if self.exact:
            return text
        if self.ratio is None:
            return f"{text}, varies"
        bounds = "" if self.low is None or self.high is None else f"; 95 % interval {self.low:.3f} to {self.high:.3f}"
        return f"{text}, varies ({self.ratio:.3f} times base's{bounds}; {self.rounds} rounds)"


def change(base: int, head: int) -> str:
    """Return `1.2 -> 1.4 MiB`, with as many digits as tell the two apart; one number if they are equal."""
    scale, unit = next(((scale, unit) for scale, unit in BYTES if max(base, head) >= scale), BYTES[-1])
    for decimals in (2, 3, 4):
        before, after = (f"{size / scale:.{decimals}f}".rstrip("0").rstrip(".") for size in (base, head))
        if base == head:
            return f"{before} {unit}"
        if before != after:
            return f"{before} -> {after} {unit}"
    return f"{base:,} -> {head:,} B"
