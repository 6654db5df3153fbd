"""Shows what a check found: as text, as JSON, as GitHub annotations. Names are escaped only when printed."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from paceline.report.annotations import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paceline.report.changes import Change, Difference, Quarantined, Report

SCHEMA = 2
MOST_DEPENDENCIES = 8
MOST_FOLDED = 10
MANY = 3  # changes that share a suspect


def full_name(benchmark: str, parameters: Sequence[str]) -> str:
    """Return a benchmark's name with its parameters, as asv writes it."""
    return f"{benchmark}({', '.join(parameters)})" if parameters else benchmark


def name_of(finding: Change) -> str:
    """Return the name of the benchmark that changed, or "the whole suite"."""
    return full_name(finding.benchmark, finding.parameters) if finding.benchmark else "the whole suite"


def lines(report: Report, quarantined: Sequence[Quarantined]) -> Iterator[str]:
    """Yield the report as text, about 80 columns wide unless names are long."""
    engines = {finding.engine for finding in report.changes}
    for finding in report.changes:
        if finding.state == "new":
            yield from _block(finding, name_engine=len(engines) > 1)
            yield ""
    yield from _gathered([each for each in report.changes if each.state == "new"])
    yield from _folded(report.changes, "accepted", "Accepted")
    yield from _folded(report.changes, "recovered", "Recovered")
    yield from _folded(report.changes, "gone", "No longer measured")
    for notice in report.notices:
        yield f"note: {notice}"
    for each in quarantined:
        yield f"quarantined: {each.path}: {each.reason}"
    yield summary(report)


def _block(finding: Change, *, name_engine: bool) -> Iterator[str]:
    yield f"{finding.kind.upper()}  {name_of(finding)}"
    yield f"  {size(finding)}  id {finding.id}"
    where = _where(finding)
    if finding.elsewhere is not None:
        others = {name: one["verdict"] for name, one in finding.evidence["machines"].items()}
        rest = (f"{name}: {verdict}" for name, verdict in others.items() if name not in finding.machines)
        where = f"{where} ({'only there; ' if finding.elsewhere == 'same' else ''}{', '.join(rest)})"
    yield f"  machine: {where}"
    if name_engine:
        yield f"  engine: {finding.engine}"
    if finding.environment:
        yield f"  environment: {finding.environment}"
    yield f"  commits: {place(finding)}"
    for title, changed in (("dependencies", finding.dependencies), ("facts", finding.facts)):
        for number, each in enumerate(changed[:MOST_DEPENDENCIES]):
            yield f"  {title + ':' if not number else ' ' * (len(title) + 1)} {_change(each)}"
        if len(changed) > MOST_DEPENDENCIES:
            yield f"    and {len(changed) - MOST_DEPENDENCIES} more"


def _where(finding: Change) -> str:
    """Return the machines; if there are several, each with the size of its change."""
    if len(finding.machines) == 1:
        return finding.machines[0]
    ratios = {name: one.get("ratio") for name, one in finding.evidence["machines"].items()}
    sizes = ((name, ratios[name]) for name in finding.machines)
    return ", ".join(f"{name} {_ratio(ratio)}" if ratio else name for name, ratio in sizes)


def _gathered(findings: Sequence[Change]) -> Iterator[str]:
    """Yield a line for each commit that may explain several changes; the one that explains most comes first."""
    left = list(findings)
    while left:
        suspects = Counter(commit for each in left for commit in each.commits)
        commit, count = max(suspects.items(), key=lambda item: (item[1], item[0] in {each.at for each in left}))
        if count < MANY:
            break
        yield f"One commit may explain {count} of these changes: {commit[:8]}"
        left = [each for each in left if commit not in each.commits]
    if len(left) < len(findings):
        yield ""


def size(finding: Change) -> str:
    """Return the size with its interval: in percent, or as a factor if it is more than a factor of two.

    Of a partly recovered change, it ends with the size that is left.
    """
    low = _ratio(finding.low) if finding.low > 0 else "?"
    high = _ratio(finding.high) if finding.high < math.exp(700) else "?"
    left = f", partly recovered, {_ratio(finding.left)} left" if finding.is_partly_recovered else ""
    return f"{_ratio(finding.ratio)} (95 %: {low} .. {high}){left}"


def _ratio(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %" if 1 / 2 <= ratio <= 2 else f"{ratio:.3g}x"  # noqa: PLR2004


def place(finding: Change) -> str:
    """Return the range of commits, the most likely one and its date."""
    day = datetime.fromtimestamp(finding.date / 1000, UTC).date().isoformat()
    count = len(finding.commits)
    suspects = "1 measured commit" if count == 1 else f"{count} measured commits"
    return f"{finding.before[:8]}..{finding.after[:8]} ({suspects}), most likely {finding.at[:8]} of {day}"


def _change(difference: Difference) -> str:
    before, after = (each if each is not None else "none" for each in (difference.before, difference.after))
    return f"{difference.name} {before} -> {after}"


def _folded(findings: Sequence[Change], state: str, title: str) -> Iterator[str]:
    chosen = [each for each in findings if each.state == state]
    if not chosen:
        return
    yield f"{title}:"
    for each in chosen[:MOST_FOLDED]:
        why = f": {each.accepted.reason}" if each.accepted else ""
        yield f"  {each.kind} {_ratio(each.ratio)} since {each.at[:8]}  {name_of(each)}{why}"
    if len(chosen) > MOST_FOLDED:
        yield f"  and {len(chosen) - MOST_FOLDED} more (listed by --json)"
    yield ""


def summary(report: Report) -> str:
    """Return one line that counts the changes."""
    new = [each for each in report.changes if each.state == "new"]
    slower = sum(each.is_alarm for each in new)
    counts = [_count(slower, "new slowdown"), _count(len(new) - slower, "improvement")]
    accepted = sum(each.state == "accepted" for each in report.changes)
    return ", ".join([*counts, *([f"{accepted} accepted"] if accepted else [])])


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def document(report: Report, quarantined: Sequence[Quarantined]) -> dict[str, Any]:
    """Return everything as a JSON document (schema 2)."""
    return {
        "schema": SCHEMA,
        "findings": [_finding(each) for each in report.changes],
        "quarantined": [{"path": str(each.path), "reason": each.reason} for each in quarantined],
        "notices": list(report.notices),
    }


def _finding(finding: Change) -> dict[str, Any]:
    accepted = finding.accepted and {"reason": finding.accepted.reason, "date": finding.accepted.date.isoformat()}
    return {
        "id": finding.id,
        "kind": finding.kind,
        "state": finding.state,
        "benchmark": finding.benchmark,
        "parameters": list(finding.parameters),
        "machines": list(finding.machines),
        "elsewhere": finding.elsewhere,
        "engine": finding.engine,
        "environment": finding.environment,
        "ratio": finding.ratio,
        "left": finding.left,
        "low": finding.low or None,
        "high": finding.high if finding.high < math.exp(700) else None,
        "before": finding.before,
        "after": finding.after,
        "at": finding.at,
        "commits": list(finding.commits),
        "date": datetime.fromtimestamp(finding.date / 1000, UTC).isoformat(),
        "dependencies": [vars(each) for each in finding.dependencies],
        "facts": [vars(each) for each in finding.facts],
        "accepted": accepted,
        "evidence": dict(finding.evidence),
    }


def github(report: Report) -> Iterator[str]:
    """Yield GitHub annotations: an error for each new slowdown, a notice for each improvement."""
    for finding in report.changes:
        if finding.state == "new":
            level = "error" if finding.is_alarm else "notice"
            title = f"{finding.kind}: {name_of(finding)}"
            said = [f"{size(finding)} on {', '.join(finding.machines)}", place(finding)]
            said += [_change(each) for each in (*finding.dependencies, *finding.facts)[:MOST_DEPENDENCIES]]
            yield command(level, "\n".join(said), title)
