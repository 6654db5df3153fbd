"""GitHub annotations of a gate. Names and reasons come from the judged code, so they are escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline.report.terminal import claim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paceline.report.verdicts import Finding

TEXT = "%\r\n"  # special in a text; in a title, a colon and a comma are special too
AT_MOST = 10  # per level: GitHub drops all further annotations of a step


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield an error for each red finding, and a warning for each that passes without proof."""
    findings = sorted(findings, key=lambda finding: finding.urgency)
    bad = [finding for finding in findings if finding.red]
    doubtful = {"unsure", "slower", "broken", "removed"}
    doubted = [each for each in findings if (each.verdict in doubtful or each.unproven) and not each.red]
    for level, of_level in (("error", bad), ("warning", doubted)):
        shown = of_level if len(of_level) <= AT_MOST else of_level[: AT_MOST - 1]
        for finding in shown:
            yield command(level, f"{finding.name}: {claim(finding)}")
        if len(shown) < len(of_level):
            yield command(level, f"{len(of_level) - len(shown)} more. See the summary of the run.")


def command(level: str, text: str, title: str = "paceline") -> str:
    """Return one workflow command, escaped as in GitHub's own toolkit."""
    return f"::{level} title={_escaped(title, TEXT + ':,')}::{_escaped(text, TEXT)}"


def _escaped(text: str, marks: str) -> str:
    for mark in marks:
        text = text.replace(mark, f"%{ord(mark):02X}")
    return text
