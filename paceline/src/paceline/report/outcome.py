"""The result of a gate, complete or interrupted: all that reports show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paceline.config.shard import Shard
    from paceline.report.values import Value
    from paceline.report.verdicts import Finding


@dataclass(frozen=True)
class Part:
    """What a shard is a part of: `benchmarks` counts those of all shards, `digest` stands for their names."""

    shard: Shard
    benchmarks: int
    digest: str


@dataclass(frozen=True)
class Outcome:
    """What a gate found. `base` and `head` say what was compared, `machine` where; `alpha` is that of all shards."""

    base: Mapping[str, Any]
    head: Mapping[str, Any]
    machine: Mapping[str, Any]
    alpha: float
    tolerance: float
    seconds: float
    findings: Sequence[Finding]
    values: Sequence[Value]
    notices: Sequence[str]
    part: Part | None = None

    @property
    def is_red(self) -> bool:
        """Whether the gate fails: the one definition, for exit statuses and reports."""
        return any(finding.red for finding in self.findings)
