"""The table for a pull request's page. Names come from the pull request itself, so none is trusted."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from paceline.gate.verdict import RED
from paceline.report.terminal import HEADINGS, cells, short_names, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.gate.verdict import Finding


def escape(text: str) -> str:
    """Text that shows as itself in a cell: no markup, no link, no new row."""
    shown = html.escape(text.replace("\n", " "))
    for mark in "\\`*_[]|~@#":
        shown = shown.replace(mark, f"\\{mark}" if mark not in "@#" else f"&#{ord(mark)};")
    return shown


def page(findings: Sequence[Finding], seconds: float, notices: Sequence[str]) -> str:
    """Return the whole text, red verdicts first."""
    pairs = sorted(zip(findings, short_names(findings), strict=True), key=lambda pair: pair[0].verdict not in RED)
    lines = ["### paceline: " + escape(summary(findings, seconds)), ""]
    lines += [f"- {escape(notice)}" for notice in notices] + [""] * bool(notices)
    lines += [_row(HEADINGS), _row(["---"] * len(HEADINGS))]
    for finding, name in pairs:
        shown = [escape(cell) for cell in cells(finding, name)]
        if finding.verdict in RED:
            shown[HEADINGS.index("verdict")] = f"**{finding.verdict}**"
        lines.append(_row(shown))
    reasons = [f"- {escape(name)}: {escape(finding.reason)}" for finding, name in pairs if finding.reason]
    return "\n".join([*lines, *([""] if reasons else []), *reasons]) + "\n"


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
