"""The result of a gate, complete or interrupted; reports show nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from paceline.config.settings import Settings
    from paceline.report.values import Value
    from paceline.report.verdicts import Finding


@dataclass(frozen=True)
class Outcome:
    """A gate's findings. `base` and `head` describe the two sides; `notices` come from the measurement."""

    settings: Settings
    started_in: Path
    base: Mapping[str, Any]
    head: Mapping[str, Any]
    seconds: float
    findings: Sequence[Finding]
    values: Sequence[Value]
    notices: Sequence[str]

    @property
    def is_red(self) -> bool:
        """Whether the gate fails; the only definition, for exit status and reports."""
        return any(finding.red for finding in self.findings)
