"""Checks a history for changes: their sizes, machines and commits, and other differences at the same commit.

Runs in which a whole suite is off are skipped, as the machine causes that (see `suite_wide`). An accepted change ends
a series: only later values are scanned, so that it does not make the next change harder to find.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.history.detect import (
    cause,
    early,
    effect,
    kept,
    levels,
    machine_types,
    scan,
    segments,
    suite_shifts,
    suite_wide,
)
from paceline.history.detect.accepted import MARGIN
from paceline.history.detect.segments import ChangePoint
from paceline.history.detect.tracks import (
    Wanted,
    groups_of,
    judged,
    not_judged,
    of_benchmark,
    of_interest,
    of_machine,
    ordinals_of,
    tracks_of,
)
from paceline.report.changes import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from paceline.history.detect.tracks import Group, Ordinals, Suites, Track
    from paceline.history.model import History, Run, Series
    from paceline.report.changes import Accepted, Change

    Integers = NDArray[np.int64]

AROUND = 30  # values on either side from which an accepted change is located
GONE = 10  # runs of the suite without a benchmark, after which it counts as removed
PROVED = scan.MIN_SIZE / 4  # in log: the interval of a change must exclude smaller ones
SHORTEST = 14  # values: the ranks of fewer values can never reach scan.ALPHA


def check(
    history: History,
    entries: Sequence[Accepted] = (),
    selection: Wanted | None = None,
    progress: Callable[[str], None] = lambda _: None,
    folder: Path | None = None,
) -> Report:
    """Return the changes in a history. Raises PacelineError if the selection is invalid or selects nothing.

    What is found in the values is kept in `folder`, so that only new values cost time; None to keep nothing.
    """
    with kept.scans(folder):
        return _checked(history, entries, selection or Wanted(), progress)


def _checked(
    history: History, entries: Sequence[Accepted], wanted: Wanted, progress: Callable[[str], None]
) -> Report:
    examined = {group: (suite_wide.examine(members), members) for group, members in groups_of(history.series).items()}
    history = machine_types.split(history, {group: suite for group, (suite, _) in examined.items()})
    entries = [_of_today(entry, history.renamed) for entry in entries]
    ordinals = ordinals_of(history.runs)
    is_wanted = of_interest(history.runs, ordinals, wanted.since)
    series = of_machine(judged(history), wanted.machine)
    progress(f"looking for suite-wide changes in {len(history.runs)} runs")
    suites = {
        group: _suite(members, *examined.get(group, (None, ()))) for group, members in groups_of(series).items()
    }
    selected = of_benchmark(series, wanted.benchmark)
    progress(f"scanning {len(selected)} series")
    tracks = tracks_of(selected, suites, history.runs, ordinals)
    recent = _recent(suites, history.runs, ordinals)
    findings, gone, early_words = _benchmarks(history.runs, tracks, recent, entries, ordinals)
    touched = {(each.key.machine, each.key.engine, each.key.environment) for each in selected}
    shifts = suite_shifts.findings_of(history.runs, suites, touched, entries, ordinals)
    findings += [_unless_over(each, recent) for each in shifts]
    proved = [each for each in findings if each.accepted or is_consistent(each)]
    found = _with_unique_ids(sorted(proved, key=_worst_first))
    every = [*tracks, *suite_shifts.tracks_of(history.runs, suites, ordinals)]
    found = cause.with_causes(found, every, history.runs, ordinals)
    chosen = sorted((_as_measured(each) for each in found if is_wanted(each.at, each.date)), key=_worst_first)
    notices = _notices(history, suites, entries, ordinals)
    if all(track.runs.size < SHORTEST for track in tracks):
        notices = (*notices, f"no series has {SHORTEST} values yet, which the check needs to find a change")
    return Report(
        tuple(chosen),
        (
            *notices,
            *_about_gone(sum(is_wanted(run.commit, run.date) for run in gone)),
            *early.notices(early_words, history.runs),
        ),
    )


def _suite(members: Sequence[Series], known: suite_wide.Suite | None, examined: Sequence[Series]) -> suite_wide.Suite:
    """Return the suite of some series: the known one if the same series were examined."""
    is_same = len(members) == len(examined) and all(map(operator.is_, members, examined))
    return known if known is not None and is_same else suite_wide.examine(members)


def _of_today(entry: Accepted, renamed: Mapping[str, str]) -> Accepted:
    """Return an entry with the current names of its machines."""
    return replace(entry, machines=tuple(renamed.get(name, name) for name in entry.machines))


def _with_unique_ids(findings: Iterable[Change]) -> list[Change]:
    """Return the changes with unique ids: of several at one commit on different machines, the first keeps its id."""
    seen: dict[str, Change] = {}
    for finding in findings:
        name = finding.id
        while name in seen:
            name = hashlib.sha256("\0".join([name, *finding.machines]).encode(errors="replace")).hexdigest()[:12]
        seen[name] = replace(finding, id=name)
    return list(seen.values())


def _as_measured(finding: Change) -> Change:
    """Return a change with the ratios of the values themselves, if more of them is better."""
    if not finding.evidence.get("more_is_better"):
        return finding
    machines = {name: _inverted(one) for name, one in finding.evidence["machines"].items()}
    return replace(
        finding,
        **{name: 1 / getattr(finding, name) for name in ("ratio", "left")},
        low=1 / finding.high if finding.high < levels.ratio(math.inf) else 0.0,
        high=1 / finding.low if finding.low > 0 else levels.ratio(math.inf),
        evidence={**finding.evidence, "machines": machines},
    )


def _inverted(one: Mapping[str, Any]) -> dict[str, Any]:
    opposite = {"ratio": "ratio", "low": "high", "high": "low"}
    return {
        opposite.get(name, name): round(1 / value, 4) if name in opposite else value for name, value in one.items()
    }


def is_consistent(finding: Change) -> bool:
    """Whether the interval of the size proves a part of the least size to report; one without bounds does."""
    if finding.low == 0 or finding.high == levels.ratio(math.inf):
        return True
    return (math.log(finding.low) if finding.kind.endswith("slower") else -math.log(finding.high)) > PROVED


def _worst_first(finding: Change) -> tuple[bool, bool, bool, float, str]:
    return (
        not finding.is_alarm,
        finding.state != "new",
        finding.benchmark != "",
        -abs(math.log(finding.left if finding.state == "new" else finding.ratio)),
        finding.id,
    )


# ---- benchmarks


def _benchmarks(
    runs: Sequence[Run],
    tracks: Sequence[Track],
    recent: Mapping[Group, Integers],
    entries: Sequence[Accepted],
    ordinals: Ordinals,
) -> tuple[list[Change], list[Run], list[early.Word]]:
    """Return the changes, the runs of those that are not described, as their series are over, and early words."""
    accepted = [_accepted(track, entries, ordinals) for track in tracks]
    open_ends = [_after(track, mine) for track, mine in zip(tracks, accepted, strict=True)]
    parts = [track.panel.take(positions) for track, positions in zip(tracks, open_ends, strict=True)]
    latest = _latest(tracks)
    findings: list[Change] = []
    undescribed: list[Run] = []
    early_words: list[early.Word] = []
    for track, old, positions, found in zip(tracks, accepted, open_ends, segments.changes(parts), strict=True):
        new: list[tuple[ChangePoint, Accepted | None]] = [
            (replace(each, at=int(positions[each.at])), None) for each in found
        ]
        changes = sorted([*old, *new], key=lambda each: each[0].at)
        gone = _gone(track, recent, latest)
        early_words += early.words(track, [change for change, _ in changes], gone)
        if changes and not old and gone >= {*scan.classes(track.panel.strata).tolist()}:
            undescribed += [runs[int(track.runs[change.at])] for change, _ in changes]
        elif changes:
            findings += levels.findings_of(runs, track, changes, gone)
    return findings, undescribed, early_words


def _after(track: Track, accepted: Iterable[tuple[ChangePoint, Accepted]]) -> Integers:
    """Return the positions to scan: of each machine, those from its last accepted change on."""
    starts = np.zeros(len(track.machines), dtype=np.int64)
    for change, _ in accepted:
        starts[list(change.strata)] = np.maximum(starts[list(change.strata)], change.at)
    return np.flatnonzero(np.arange(track.runs.size) >= starts[track.panel.strata])


def _latest(tracks: Iterable[Track]) -> dict[tuple[object, ...], int]:
    """Return the place of the last commit at which a benchmark was measured on a machine, in any version."""
    latest: dict[tuple[object, ...], int] = defaultdict(int)
    for track in tracks:
        for stratum in scan.classes(track.panel.strata):
            last = int(track.panel.commits[track.panel.of([stratum])[-1]])
            name = (*track.name, track.machines[stratum])
            latest[name] = max(latest[name], last)
    return latest


def _recent(suites: Suites, runs: Sequence[Run], ordinals: Ordinals) -> dict[Group, Integers]:
    """Return the places of each group's last usual runs; none for a group that is no longer measured.

    A group (machine, engine, environment) is no longer measured after a pause of many times its usual length.
    """
    found = {}
    for group, one in suites.items():
        places = np.array([ordinals[runs[int(run)].commit] for run in one.runs], dtype=np.int64)
        pause = max(1.0, float(np.median(np.diff(places)))) if places.size > 1 else 1.0
        is_over = len(ordinals) - 1 - int(places[-1]) > GONE * pause
        found[group] = places[~one.odd][-GONE:] if not is_over else places[:0]
    return found


def _unless_over(shift: Change, recent: Mapping[Group, Integers]) -> Change:
    """Return a suite-wide change; as no longer measured if none of its suites is."""
    is_over = not any(recent[machine, shift.engine, shift.environment].size for machine in shift.machines)
    return replace(shift, state="gone") if is_over and shift.accepted is None else shift


def _gone(track: Track, recent: Mapping[Group, Integers], latest: Mapping[tuple[object, ...], int]) -> set[int]:
    """Return the machines, by number, on which a benchmark is no longer measured.

    The benchmark was removed or has a newer version, or its whole group is no longer measured.
    """
    gone = set()
    for stratum, machine in enumerate(track.machines):
        mine = track.panel.of([stratum])
        last = int(track.panel.commits[mine[-1]]) if mine.size else -1
        places = recent.get((machine, track.engine, track.environment))
        left_out = places is not None and (not places.size or int((places > last).sum()) >= GONE)
        if left_out or last < latest[*track.name, machine]:
            gone.add(stratum)
    return gone


def _accepted(track: Track, entries: Iterable[Accepted], ordinals: Ordinals) -> list[tuple[ChangePoint, Accepted]]:
    """Return the accepted changes at their current positions in a track, without those that it no longer shows.

    An entry counts only for the machines that it names.
    """
    found: dict[tuple[int, tuple[int, ...]], Accepted] = {}
    for entry in sorted(entries, key=lambda each: ordinals.get(each.commit, -1)):
        strata = tuple(
            stratum
            for stratum in map(int, scan.classes(track.panel.strata))
            if track.machines[stratum] in entry.machines
        )
        if entry.name == track.name and entry.commit in ordinals and strata:
            own = track.panel.take(track.panel.of(strata))
            at = _whereabouts(own, own.first_of(ordinals[entry.commit]), entry)
            if at is not None:
                found.setdefault((track.panel.first_of(int(own.commits[at])), strata), entry)
    return [(ChangePoint(at, strata, 0.0, math.nan, strata), entry) for (at, strata), entry in sorted(found.items())]


def _whereabouts(panel: scan.Panel, guess: int, entry: Accepted) -> int | None:
    """Return the position of an accepted change near a guess; None if it is missing or has become another one."""
    if not 0 < guess < panel.values.size:
        return None
    start, stop = _undisturbed(panel, guess)
    near = panel.part(start, stop)
    at = scan.located(near, scan.Split(guess - start, 0.0, 1.0), MARGIN)
    return start + at if _is_same(near, at, entry) else None


def _undisturbed(panel: scan.Panel, guess: int) -> tuple[int, int]:
    """Return the positions around an accepted change between which there is no other change."""
    start, stop = max(0, guess - AROUND), min(panel.values.size, guess + AROUND)
    earlier, later = scan.changes([panel.part(start, guess), panel.part(guess, stop)], rate=1.0)
    if earlier:
        start += earlier[-1].at
    if later:
        stop = guess + later[0].at
    return start, stop


def _is_same(near: scan.Panel, at: int, entry: Accepted) -> bool:
    """Whether the change at a position is the accepted one: same direction, and proved larger on no machine."""
    sign = 1 if entry.kind.endswith("slower") else -1
    pairs = levels.sides(near, at, at)
    whole = effect.shift(pairs)
    if whole is None or sign * whole.value <= 0:
        return False
    each = [measured for pair in pairs if (measured := effect.shift([pair])) is not None]
    least = max(measured.low if sign > 0 else -measured.high for measured in each)
    return least <= abs(math.log(entry.ratio)) + scan.MIN_SIZE


# ---- notices


def _about_gone(count: int) -> tuple[str, ...]:
    changes = "1 change" if count == 1 else f"{count} changes"
    return (f"{changes} in series that are no longer measured, not listed",) if count else ()


def _notices(history: History, suites: Suites, entries: Iterable[Accepted], ordinals: Ordinals) -> tuple[str, ...]:
    notices = list(history.notices)
    notices += filter(None, [not_judged(history.series)])
    for (machine, _, environment), one in sorted(suites.items()):
        where = f"{machine} ({environment})" if environment else machine
        if one.runs.size < SHORTEST:  # too few to find anything
            continue
        off = int((one.odd & ~one.unsettled).sum())
        if off:
            notices.append(
                f"{where}: skipped {off} of {one.runs.size} runs: all benchmarks are off at once, so the machine"
                " is the cause"
            )
        if one.unsettled.any():
            columns = np.flatnonzero(one.unsettled)
            first, last = (history.runs[int(one.runs[column])].commit[:8] for column in (columns[0], columns[-1]))
            notices.append(
                f"{where}: {columns.size} runs from {first} to {last} were skipped: the whole suite varies from run"
                " to run, as on mixed hardware. Record on one kind of hardware, or give each its own machine name."
            )
    notices += [
        f"accepted change {entry.id} has no effect: its commit {entry.commit[:8]} is not in the history"
        for entry in entries
        if entry.commit not in ordinals
    ]
    return tuple(notices)
