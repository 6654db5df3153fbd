"""The table at the end of a gate. Each ratio is shown with its interval, so that it does not claim too much."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from paceline.report.memory import BYTES, MemoryVerdict
from paceline.report.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from paceline.report.memory import Memory
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
    "detectable",
)
MOST_UNTOUCHED = 20  # rows: more are folded into one line
MOST_SAME = 20  # lines about the same memory: more are folded into one
NAMED = 2  # benchmarks with the same reason; more are counted
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def printable(text: str) -> str:
    """Return text as one line without control characters, and without a command to a terminal or GitHub runner."""
    text = text.replace("##[", "## [")  # starts a command to a runner anywhere in a line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def duration(seconds: float | None) -> str:
    """Return seconds with three significant digits and a unit."""
    if seconds is None:
        return NOTHING
    scale, unit = next(((scale, unit) for scale, unit in UNITS if seconds >= scale), UNITS[-1])
    return f"{seconds / scale:.3g} {unit}"


def amount(value: float | None, unit: str) -> str:
    """Return a value with six significant digits and its unit; bytes and seconds in a unit that fits."""
    if value is None:
        return NOTHING
    if unit == "seconds":
        return duration(value)
    if unit == "bytes":
        scale, name = next(((scale, name) for scale, name in BYTES if abs(value) >= scale), BYTES[-1])
        return f"{value / scale:.4g} {name}"
    return f"{value:.6g} {unit}".rstrip()


def values_table(values: Sequence[Value]) -> list[str]:
    """Return lines for the values of both sides, then the reason for each missing value."""
    rows = [("not judged", "base", "head")]
    rows += [(each.name, amount(each.base, each.unit), amount(each.head, each.unit)) for each in values]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, *(f"{each.name}: {each.reason}" for each in values if each.reason)]


def percent(fraction: float | None) -> str:
    """Return 2.1 % for 0.021."""
    return NOTHING if fraction is None else f"{100 * fraction:.1f} %"


def interval(finding: Finding) -> str:
    """Return the bounds of the ratio; "up to" a one-sided bound."""
    if finding.high is None:
        return NOTHING
    if finding.low is None:
        return f"up to {finding.high:.3f}"
    return f"{finding.low:.3f} to {finding.high:.3f}"


def cells(finding: Finding, name: str) -> tuple[str, ...]:
    """Return one row of the table."""
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
    """Return names without the file, if they then still differ."""
    names = [finding.name.partition("::")[2] or finding.name for finding in findings]
    return names if len(set(names)) == len(names) else [finding.name for finding in findings]


def in_order(findings: Sequence[Finding]) -> list[tuple[Finding, str]]:
    """Return the findings with their short names, the most urgent first."""
    pairs = zip(findings, short_names(findings), strict=True)
    return sorted(pairs, key=lambda pair: pair[0].urgency)


def shown_verdict(finding: Finding) -> str:
    """Return the verdict as a table shows it."""
    shown = f"{finding.verdict} (suspect)" if finding.suspect else finding.verdict
    if finding.memory is None or not finding.memory.red or finding.is_of_memory:
        return shown
    return f"{shown}, memory {finding.memory.verdict}"


def folded(findings: Sequence[Finding]) -> tuple[list[Finding], list[str]]:
    """Return the findings that get a row, and a line in place of the untouched if those are many."""
    untouched = [finding for finding in findings if finding.verdict == Verdict.UNTOUCHED.value]
    if len(untouched) <= MOST_UNTOUCHED:
        return [*findings], []
    ((evidence, count),) = Counter(finding.reason for finding in untouched).most_common(1)
    most = f"{count:,} of them " if count < len(untouched) else ""
    rest = [finding for finding in findings if finding.verdict != Verdict.UNTOUCHED.value]
    return rest, [f"{len(untouched):,} untouched, not listed: {most}{evidence}"]


def table(findings: Sequence[Finding], *, fold: bool = True) -> list[str]:
    """Return the table, then a line for each reason; red and suspect findings come first.

    `fold`: many untouched benchmarks become one line.
    """
    listed_ones, line = folded(findings) if fold else (findings, [])
    if not listed_ones:
        return line
    pairs = in_order(listed_ones)
    rows = [HEADINGS, *(cells(finding, name) for finding, name in pairs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *rest = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append("  ".join([first, *rest]).rstrip())
    explained = [*line, *reasons(pairs)]
    return [*lines, *([""] if explained else []), *explained]


def reasons(pairs: Iterable[tuple[Finding, str]]) -> list[str]:
    """Return each reason once, with the benchmarks that have it, then why each is slower or faster."""
    pairs = list(pairs)
    names: dict[tuple[str, str], list[str]] = {}
    for finding, name in pairs:
        if finding.reason and not finding.is_of_memory:
            names.setdefault((shown_verdict(finding), finding.reason), []).append(name)
    given = [f"{_all_of(having)}: {verdict}: {reason}" for (verdict, reason), having in names.items()]
    why = (f"{name}: why: {finding.why}" for finding, name in pairs if finding.why)
    return [*given, *why, *_memory([(finding.memory, name) for finding, name in pairs if finding.memory])]


def _memory(pairs: Sequence[tuple[Memory, str]]) -> Iterator[str]:
    """Yield a line for each benchmark's memory, and one for all that need the same if those are many."""
    same = [name for memory, name in pairs if memory.verdict == MemoryVerdict.SAME.value]
    for memory, name in pairs:
        if memory.verdict != MemoryVerdict.SAME.value or len(same) <= MOST_SAME:
            yield f"{name}: memory {memory.verdict}: {memory}"
    if len(same) > MOST_SAME:
        yield f"{len(same):,} with the same memory, not listed"


def _all_of(names: list[str]) -> str:
    return listed(names) if len(names) <= NAMED else f"{len(names)} benchmarks ({listed(names)})"


def listed(names: list[str]) -> str:
    """Return the first names, joined by commas."""
    return ", ".join([*names[:NAMED], *["..."] * (len(names) > NAMED)])


def summary(findings: Sequence[Finding], seconds: float) -> str:
    """Return the counts of verdicts on one line; suspects come first, apart from the other unsure ones."""
    counts = Counter("suspect" if finding.suspect else finding.verdict for finding in findings)
    suspects = [("suspect", counts.pop("suspect"))] if "suspect" in counts else []
    counted = [f"{count} {verdict}" for verdict, count in [*suspects, *counts.most_common()]]
    return f"{', '.join(counted)} in {seconds:.0f} s"


def claim(finding: Finding) -> str:
    """Return the verdict with its evidence, on one line; that on memory too if it fails the gate."""
    memory = f"memory {finding.memory.verdict}: {finding.memory}" if finding.memory else ""
    if finding.is_of_memory:
        return memory
    return "; ".join([*_claims(finding), *([memory] if finding.memory and finding.memory.red else [])])


def _claims(finding: Finding) -> Iterator[str]:
    if finding.ratio is None:
        yield f"{finding.verdict}: {finding.reason}"
        return
    yield (
        f"{shown_verdict(finding)}: head takes {finding.ratio:.3f} times as long as base (95 % interval"
        f" {interval(finding)}; {finding.rounds} rounds, {finding.clock} time)"
    )
    if finding.reason:
        yield finding.reason
