"""The table for a pull request's page. Names come from the pull request itself, so none is trusted."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from paceline.report.terminal import HEADINGS, cells, in_order, reasons, shown_verdict, summary
from paceline.report.verdicts import LET_THROUGH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.report.verdicts import Finding


def escape(text: str) -> str:
    """Text that shows as itself in a cell: no markup, no link, no mention, no new row, nothing invisible."""
    shown = html.escape(visible(text), quote=False)
    for mark in "\\`*_[]|~":
        shown = shown.replace(mark, f"\\{mark}")
    shown = shown.replace("$", "<span>$</span>")  # GitHub's own way to say that no formula begins here
    # GitHub looks for people, issues, addresses and emoji in the text as it will show, where an entity is its
    # character again; a comment splits that text.
    return re.sub(r"@|#|:(?=//|[\w+-]+:)|www(?=\.)|GH(?=-)", r"\g<0><!-- -->", shown, flags=re.IGNORECASE)


def visible(text: str) -> str:
    """Text without what has no shape, such as line ends and marks that turn the direction of writing."""
    return "".join(character if character.isprintable() else " " for character in text)


def page(findings: Sequence[Finding], seconds: float, notices: Sequence[str]) -> str:
    """Return the whole text, what is red or suspect first."""
    pairs = in_order(findings)
    lines = ["### paceline: " + escape(summary(findings, seconds)), ""]
    lines += [f"- {escape(notice)}" for notice in notices] + [""] * bool(notices)
    lines += [row(HEADINGS), row(["---"] * len(HEADINGS))]
    for finding, name in pairs:
        shown = [escape(cell) for cell in cells(finding, name)]
        if finding.urgency <= LET_THROUGH:
            shown[HEADINGS.index("verdict")] = f"**{shown_verdict(finding)}**"
        lines.append(row(shown))
    told = [f"- {escape(text)}" for text in reasons(pairs)]
    return "\n".join([*lines, *([""] if told else []), *told]) + "\n"


def row(texts: Sequence[str]) -> str:
    """One row of a table, of cells that are escaped."""
    return f"| {' | '.join(texts)} |"
