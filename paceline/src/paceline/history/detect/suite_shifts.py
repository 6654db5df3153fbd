"""Reports lasting changes of whole suites, which `suite_wide` finds."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from paceline.history.detect import levels, scan, segments
from paceline.history.detect.accepted import MARGIN
from paceline.history.detect.segments import ChangePoint
from paceline.history.detect.tracks import Track, side_by_side

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.history.detect import suite_wide
    from paceline.history.detect.tracks import Group, Ordinals, Suites
    from paceline.history.model import Run
    from paceline.report.changes import Accepted, Change

    Integers = NDArray[np.int64]


def findings_of(
    runs: Sequence[Run], suites: Suites, wanted: Collection[Group], entries: Sequence[Accepted], ordinals: Ordinals
) -> list[Change]:
    """Return the lasting changes of wanted groups; one on several machines is one change.

    The other groups show where nothing changed.
    """
    findings = []
    for track in tracks_of(runs, suites, ordinals):
        groups = [(machine, track.engine, track.environment) for machine in track.machines]
        shifts = [suites[group].shifts if group in wanted else () for group in groups]
        if any(shifts):
            findings += _of_suites(runs, track, shifts, [suites[group] for group in groups])
    return [_with_accepted(each, entries, ordinals) for each in findings]


def tracks_of(runs: Sequence[Run], suites: Suites, ordinals: Ordinals) -> list[Track]:
    """Return a track of the levels of suites that differ only in the machine."""
    place = np.array([ordinals[run.commit] for run in runs], dtype=np.int64)
    together: dict[tuple[str, str], dict[str, suite_wide.Suite]] = defaultdict(dict)
    for (machine, engine, environment), one in suites.items():
        together[engine, environment][machine] = one
    return [_track(engine, environment, classes, place) for (engine, environment), classes in together.items()]


def _track(engine: str, environment: str, classes: Mapping[str, suite_wide.Suite], place: Integers) -> Track:
    parts = []
    for one in classes.values():
        usual = np.isfinite(one.level) & ~one.odd
        parts.append((one.level[usual], one.runs[usual]))
    return Track("", (), engine, environment, "", "seconds", tuple(classes), *side_by_side(parts, place))


def _of_suites(
    runs: Sequence[Run],
    track: Track,
    shifts: Sequence[Sequence[suite_wide.Shift]],
    classes: Sequence[suite_wide.Suite],
) -> list[Change]:
    found: dict[ChangePoint, suite_wide.Shift] = {}
    for stratum, (one, its) in enumerate(zip(classes, shifts, strict=True)):
        mine = track.panel.of([stratum])
        for shift in its:
            first = mine[np.searchsorted(track.runs[mine], one.runs[shift.at])]
            at = track.panel.first_of(int(track.panel.commits[first]))
            found[ChangePoint(at, (stratum,), math.copysign(1.0, shift.size), shift.p, (stratum,))] = shift
    joined = segments.joined(track.panel, found)
    # A change on several machines keeps the place of one of them, whose shift is its evidence.
    leads = [
        next(shift for own, shift in found.items() if own.at == each.at and {*own.strata} <= {*each.strata})
        for each in joined
    ]
    findings = levels.findings_of(runs, track, [(each, None) for each in joined])
    return [_as_suite(finding, shift) for finding, shift in zip(findings, leads, strict=True)]


def _as_suite(finding: Change, shift: suite_wide.Shift) -> Change:
    quartiles = [round(levels.ratio(shift.low), 4), round(levels.ratio(shift.high), 4)]
    evidence = {**finding.evidence, "benchmarks": shift.benchmarks, "quartiles": quartiles}
    return replace(finding, kind=f"suite-{finding.kind}", evidence=evidence)


def _with_accepted(finding: Change, entries: Iterable[Accepted], ordinals: Ordinals) -> Change:
    for entry in entries:
        same = (entry.kind, entry.engine, entry.environment) == (finding.kind, finding.engine, finding.environment)
        if same and entry.commit in ordinals and set(entry.machines) >= set(finding.machines):
            place = ordinals[entry.commit]
            first, last = ordinals[finding.commits[0]] - MARGIN, ordinals[finding.after] + MARGIN
            larger = abs(math.log(finding.ratio)) > abs(math.log(entry.ratio)) + 2 * scan.MIN_SIZE
            if first <= place <= last and not larger:
                return replace(finding, state="accepted", accepted=entry)
    return finding
