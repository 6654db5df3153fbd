"""Notices that follow from the findings: what passed without proof, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline.report.terminal import listed
from paceline.report.verdicts import Verdict
from paceline.system.host import machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paceline.config.settings import Settings
    from paceline.report.verdicts import Finding


def of_findings(findings: Sequence[Finding], settings: Settings) -> Iterator[str]:
    """Yield them in the order in which they are shown."""
    let_through = sum(each.verdict == Verdict.SLOWER.value and not each.red for each in findings)
    if let_through and settings.accept is not None:
        yield f"{let_through} slower accepted as a reviewed exception: {settings.accept}"
    if not machine()["pinning"]:
        yield "this system cannot pin processes to CPUs: expect more noise and more rounds"
    if findings and all(finding.verdict == Verdict.NEW.value for finding in findings):
        yield "every benchmark is new, so there is nothing to compare with yet"
    unsure = sum(finding.verdict == Verdict.UNSURE.value and not finding.red for finding in findings)
    if unsure and settings.unsure != "fail":
        yield f"{unsure} unsure: passed without proof (--benchmark-unsure=fail makes them red)"
    unproven = [each for each in findings if each.unproven and not each.red and each.verdict != "unsure"]
    if unproven:
        yield (
            f"{len(unproven)} not judged because of one side: passed without proof (--benchmark-unsure=fail"
            f" makes them red): {listed([each.name for each in unproven])}"
        )
