"""The result of a gate, complete or interrupted: all that reports show."""

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
    """What a gate found. `base` and `head` say what was compared; `notices` come from the trial itself."""

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
        """Whether the gate fails: the one definition, for exit statuses and reports."""
        return any(finding.red for finding in self.findings)
