"""The result of a gate, complete or interrupted; reports show nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError
from paceline.report.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paceline.config.shard import Shard
    from paceline.report.values import Value
    from paceline.report.verdicts import Finding


@dataclass(frozen=True)
class Part:
    """A shard of a suite. `benchmarks` is the number of all shards' benchmarks, `digest` is a hash of their names."""

    shard: Shard
    benchmarks: int
    digest: str


@dataclass(frozen=True)
class Outcome:
    """A gate's findings. `base` and `head` describe the two sides; `alpha` is that of all shards together."""

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
        """Whether the gate fails; the only definition, for exit status and reports."""
        return any(finding.red for finding in self.findings)

    def insist_on_something_measured(self) -> None:
        """Raise PacelineError if nothing could be timed. A shard may have nothing: the others have it."""
        useless = {Verdict.UNAVAILABLE.value, Verdict.UNSURE.value}
        found = self.findings
        if self.part is None and found and all(each.verdict in useless and not each.rounds for each in found):
            first, more = found[0], f" and {len(found) - 1} more" if len(found) > 1 else ""
            is_late = first.verdict == Verdict.UNSURE.value
            raise PacelineError(
                f"nothing was measured: {first.name}{more}: {first.verdict}: {first.reason}."
                f" {'Raise --benchmark-budget' if is_late else 'Fix the tests, or select others'}."
            )
