"""What GitHub shows beside a run. Names and reasons are others' words, so none may start a command of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline.report.terminal import claim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paceline.report.verdicts import Finding

TEXT = "%\r\n"  # what has a meaning in a text; in a title, a colon and a comma have one too
AT_MOST = 10  # of a level: GitHub drops what a step says beyond that


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield an error for each that is red, and a warning for each that passes without being proved harmless."""
    findings = sorted(findings, key=lambda finding: finding.urgency)
    bad = [finding for finding in findings if finding.red]
    doubtful = {"unsure", "slower", "broken", "removed"}
    doubted = [each for each in findings if (each.verdict in doubtful or each.unproven) and not each.red]
    for level, of_level in (("error", bad), ("warning", doubted)):
        shown = of_level if len(of_level) <= AT_MOST else of_level[: AT_MOST - 1]
        for finding in shown:
            yield command(level, f"{finding.name}: {claim(finding)}")
        if len(shown) < len(of_level):
            yield command(level, f"{len(of_level) - len(shown)} more: see the summary of the run")


def command(level: str, text: str, title: str = "paceline") -> str:
    """One workflow command, escaped as GitHub's own toolkit does it."""
    return f"::{level} title={_escaped(title, TEXT + ':,')}::{_escaped(text, TEXT)}"


def _escaped(text: str, marks: str) -> str:
    for mark in marks:
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text
