"""Shifts of whole suites that stayed, as findings; what they are is told by `suite`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from paceline.history import change, detect, suite
from paceline.history.known import MARGIN
from paceline.history.tracks import Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paceline.history.finding import Finding
    from paceline.history.known import Known
    from paceline.history.model import Run
    from paceline.history.tracks import Group, Ordinals, Suites


def findings_of(runs: Sequence[Run], suites: Suites, known: Sequence[Known], ordinals: Ordinals) -> list[Finding]:
    """Return the shifts that stayed; those of several hardware classes at once are one finding."""
    findings: list[Finding] = []
    for group, one in suites.items():
        if one.shifts:
            findings += _of_suite(runs, group, one, ordinals)
    return [_with_known(each, known, ordinals) for each in _joined(findings, ordinals)]


def _of_suite(runs: Sequence[Run], group: Group, one: suite.Suite, ordinals: Ordinals) -> list[Finding]:
    machine, engine, environment = group
    usual = np.flatnonzero(np.isfinite(one.level) & ~one.odd)
    places = np.array([ordinals[runs[int(run)].commit] for run in one.runs[usual]], dtype=np.int64)
    panel = detect.Panel(one.level[usual], np.zeros(usual.size, dtype=np.int64), places)
    track = Track("", (), engine, environment, "", "seconds", (machine,), panel, one.runs[usual])
    changes: list[tuple[detect.Split, Known | None]] = [
        (detect.Split(int(np.searchsorted(usual, shift.at)), math.copysign(1.0, shift.size), shift.p), None)
        for shift in one.shifts
    ]
    findings = change.findings_of(runs, track, changes, gone=False)
    return [
        replace(
            finding,
            kind=f"suite-{finding.kind}",
            evidence={
                **finding.evidence,
                "benchmarks": shift.benchmarks,
                "quartiles": [round(change.ratio(shift.low), 4), round(change.ratio(shift.high), 4)],
            },
        )
        for finding, shift in zip(findings, one.shifts, strict=True)
    ]


def _joined(findings: Sequence[Finding], ordinals: Ordinals) -> list[Finding]:
    """Join findings of several hardware classes whose suspects overlap."""
    joined: list[Finding] = []
    for finding in sorted(findings, key=lambda each: ordinals[each.at]):
        first, last = ordinals[finding.before], ordinals[finding.after]
        for number, other in enumerate(joined):
            alike = (other.kind, other.engine, other.environment) == (
                finding.kind,
                finding.engine,
                finding.environment,
            )
            overlap = ordinals[other.before] < last and first < ordinals[other.after]
            if alike and overlap and not set(finding.machines) & set(other.machines):
                joined[number] = replace(other, machines=(*other.machines, *finding.machines))
                break
        else:
            joined.append(finding)
    return joined


def _with_known(finding: Finding, known: Iterable[Known], ordinals: Ordinals) -> Finding:
    for entry in known:
        same = (entry.kind, entry.engine, entry.environment) == (finding.kind, finding.engine, finding.environment)
        if same and entry.commit in ordinals and set(entry.machines) >= set(finding.machines):
            place = ordinals[entry.commit]
            first, last = ordinals[finding.commits[0]] - MARGIN, ordinals[finding.after] + MARGIN
            larger = abs(math.log(finding.ratio)) > abs(math.log(entry.ratio)) + 2 * detect.MIN_SIZE
            if first <= place <= last and not larger:
                return replace(finding, state="known", known=entry)
    return finding
