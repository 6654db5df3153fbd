"""The gate's table as Markdown, for a pull request. Names come from the pull request, so they are escaped."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from paceline.report.terminal import HEADINGS, cells, folded, in_order, reasons, shown_verdict, summary
from paceline.report.verdicts import LET_THROUGH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.report.verdicts import Finding


def escape(text: str) -> str:
    """Return text that shows literally in a cell: no markup, link, mention, new row or invisible character."""
    shown = html.escape(visible(text), quote=False)
    for mark in "\\`*_[]|~":
        shown = shown.replace(mark, f"\\{mark}")
    shown = shown.replace("$", "<span>$</span>")  # GitHub's own escape for a formula's start
    # GitHub looks for people, issues, addresses and emoji in the text as it will show, where an entity is its
    # character again; a comment splits that text.
    return re.sub(r"@|#|:(?=//|[\w+-]+:)|www(?=\.)|GH(?=-)", r"\g<0><!-- -->", shown, flags=re.IGNORECASE)


def visible(text: str) -> str:
    """Return text with spaces for invisible characters, such as line ends and direction marks."""
    return "".join(character if character.isprintable() else " " for character in text)


def page(findings: Sequence[Finding], seconds: float, notices: Sequence[str]) -> str:
    """Return the summary, notices and table; red and suspect findings come first."""
    listed, line = folded(findings)
    pairs = in_order(listed)
    lines = ["### paceline: " + escape(summary(findings, seconds)), ""]
    lines += [f"- {escape(notice)}" for notice in notices] + [""] * bool(notices)
    lines += [row(HEADINGS), row(["---"] * len(HEADINGS))] if pairs else []
    for finding, name in pairs:
        shown = [escape(cell) for cell in cells(finding, name)]
        if finding.urgency <= LET_THROUGH:
            shown[HEADINGS.index("verdict")] = f"**{shown_verdict(finding)}**"
        lines.append(row(shown))
    explained = [f"- {escape(text)}" for text in (*line, *reasons(pairs))]
    return "\n".join([*lines, *([""] if explained else []), *explained]) + "\n"


def row(texts: Sequence[str]) -> str:
    """Return a table row of cells, which are escaped already."""
    return f"| {' | '.join(texts)} |"
