"""The table at the end of a gate. A number never claims more than its interval."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paceline.report.values import Value
    from paceline.report.verdicts import Finding

NOTHING = "-"
HEADINGS = (
    "benchmark",
    "base",
    "head",
    "head/base",
    "95 % interval",
    "verdict",
    "rounds",
    "clock",
    "could see",
)
NAMED = 2  # benchmarks with the same reason; more are counted
BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def printable(text: str) -> str:
    """Return text as one line, with nothing in it that a terminal, or a runner of GitHub, would obey."""
    text = text.replace("##[", "## [")  # wherever it stands in a line, it begins a command to a runner
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def duration(seconds: float | None) -> str:
    """Three significant digits with a unit."""
    if seconds is None:
        return NOTHING
    scale, unit = next(((scale, unit) for scale, unit in UNITS if seconds >= scale), UNITS[-1])
    return f"{seconds / scale:.3g} {unit}"


def amount(value: float | None, unit: str) -> str:
    """Six significant digits with a unit; bytes and seconds in a unit that fits."""
    if value is None:
        return NOTHING
    if unit == "seconds":
        return duration(value)
    if unit == "bytes":
        scale, name = next(((scale, name) for scale, name in BYTES if abs(value) >= scale), BYTES[-1])
        return f"{value / scale:.4g} {name}"
    return f"{value:.6g} {unit}".rstrip()


def values_table(values: Sequence[Value]) -> list[str]:
    """Lines for values of both sides; a reason stands where there is no value."""
    rows = [("not judged", "base", "head")]
    rows += [(each.name, amount(each.base, each.unit), amount(each.head, each.unit)) for each in values]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, *(f"{each.name}: {each.reason}" for each in values if each.reason)]


def percent(fraction: float | None) -> str:
    """Write 0.021 as 2.1 %."""
    return NOTHING if fraction is None else f"{100 * fraction:.1f} %"


def interval(finding: Finding) -> str:
    """Bounds of the ratio; a one-sided bound is written as such."""
    if finding.high is None:
        return NOTHING
    if finding.low is None:
        return f"up to {finding.high:.3f}"
    return f"{finding.low:.3f} to {finding.high:.3f}"


def cells(finding: Finding, name: str) -> tuple[str, ...]:
    """One row of the table."""
    return (
        name,
        duration(finding.base_seconds),
        duration(finding.head_seconds),
        NOTHING if finding.ratio is None else f"{finding.ratio:.3f}",
        interval(finding),
        shown_verdict(finding),
        str(finding.rounds),
        finding.clock or NOTHING,
        percent(finding.detectable),
    )


def short_names(findings: Sequence[Finding]) -> list[str]:
    """Names without the file, if that tells all of them apart."""
    names = [finding.name.partition("::")[2] or finding.name for finding in findings]
    return names if len(set(names)) == len(names) else [finding.name for finding in findings]


def in_order(findings: Sequence[Finding]) -> list[tuple[Finding, str]]:
    """Return the findings with their short names, the most urgent first."""
    pairs = zip(findings, short_names(findings), strict=True)
    return sorted(pairs, key=lambda pair: pair[0].urgency)


def shown_verdict(finding: Finding) -> str:
    """Return the verdict as a table shows it."""
    return f"{finding.verdict} (suspect)" if finding.suspect else finding.verdict


def table(findings: Sequence[Finding]) -> list[str]:
    """Lines of the table, then a line for every reason; what is red or suspect first."""
    pairs = in_order(findings)
    rows = [HEADINGS, *(cells(finding, name) for finding, name in pairs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *rest = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append("  ".join([first, *rest]).rstrip())
    told = reasons(pairs)
    return [*lines, *([""] if told else []), *told]


def reasons(pairs: Iterable[tuple[Finding, str]]) -> list[str]:
    """Say every reason once, with the benchmarks that have it."""
    names: dict[tuple[str, str], list[str]] = {}
    for finding, name in pairs:
        if finding.reason:
            names.setdefault((shown_verdict(finding), finding.reason), []).append(name)
    return [f"{_all_of(having)}: {verdict}: {reason}" for (verdict, reason), having in names.items()]


def _all_of(names: list[str]) -> str:
    return listed(names) if len(names) <= NAMED else f"{len(names)} benchmarks ({listed(names)})"


def listed(names: list[str]) -> str:
    """Name the first ones."""
    return ", ".join([*names[:NAMED], *["..."] * (len(names) > NAMED)])


def summary(findings: Sequence[Finding], seconds: float) -> str:
    """Count the verdicts, in one line; suspects first, and apart from what is merely unsure."""
    counts = Counter("suspect" if finding.suspect else finding.verdict for finding in findings)
    suspects = [("suspect", counts.pop("suspect"))] if "suspect" in counts else []
    told = [f"{count} {verdict}" for verdict, count in [*suspects, *counts.most_common()]]
    return f"{', '.join(told)} in {seconds:.0f} s"


def claim(finding: Finding) -> str:
    """Say why a test is red, or what was found, in one line."""
    if finding.ratio is None:
        return f"{finding.verdict}: {finding.reason}"
    return (
        f"{shown_verdict(finding)}: head takes {finding.ratio:.3f} times as long as base (95 % interval"
        f" {interval(finding)}; {finding.rounds} rounds, {finding.clock} time)"
        + (f"; {finding.reason}" if finding.reason else "")
    )
