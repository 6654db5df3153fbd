"""From a history to findings: what became slower or faster, where, since which commit, and what else changed there.

Nothing is said of an odd run, which is the machine's doing (see `suite`). What is known and accepted ends a series:
only what came after it is scanned, so it loosens no bar for the next change.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from paceline.history import change, detect, effect, suite, suite_shifts
from paceline.history.finding import Report
from paceline.history.known import MARGIN
from paceline.history.tracks import (
    UNITS,
    Selection,
    groups_of,
    judged,
    of_benchmark,
    of_interest,
    of_machine,
    ordinals_of,
    tracks_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from paceline.history.finding import Finding
    from paceline.history.known import Known
    from paceline.history.model import History, Run
    from paceline.history.tracks import Ordinals, Suites, Track

AROUND = 30  # values on either side that tell where a known change lies now
GONE = 10  # runs of the suite without a benchmark, after which it counts as removed
SHORTEST = 14  # values: the ranks of fewer cannot reach detect.ALPHA, whatever they are


def check(
    history: History,
    known: Sequence[Known] = (),
    selection: Selection | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Find what changed. Raises PacelineError if the selection is empty or cannot be understood."""
    wanted = selection or Selection()
    ordinals = ordinals_of(history.runs)
    is_wanted = of_interest(history.runs, ordinals, wanted.since)
    series = of_machine(judged(history), wanted.machine)
    progress(f"looking for odd runs in {len(history.runs)} runs")
    suites = {group: suite.examine(members) for group, members in groups_of(series).items()}
    selected = of_benchmark(series, wanted.benchmark)
    progress(f"scanning {len(selected)} series")
    tracks = tracks_of(selected, suites, history.runs, ordinals)
    findings = _benchmarks(history.runs, tracks, suites, known, ordinals)
    if wanted.benchmark is None:
        findings += suite_shifts.findings_of(history.runs, suites, known, ordinals)
    chosen = [each for each in findings if is_wanted(each.at, each.date) and (each.known or _is_borne_out(each))]
    notices = _notices(history, suites, known, ordinals)
    if all(track.runs.size < SHORTEST for track in tracks):
        notices = (*notices, f"no series has {SHORTEST} values yet: nothing can be found before")
    return Report(tuple(sorted(chosen, key=_worst_first)), notices)


def _is_borne_out(finding: Finding) -> bool:
    """Whether the interval of the size lies on the finding's side; one without bounds contradicts nothing."""
    if finding.low == 0 or finding.high == change.ratio(math.inf):
        return True
    return finding.low > 1 if finding.kind.endswith("slower") else finding.high < 1


def _worst_first(finding: Finding) -> tuple[bool, bool, bool, float, str]:
    return (
        not finding.is_alarm,
        finding.state != "new",
        finding.benchmark != "",
        -abs(math.log(finding.ratio)),
        finding.id,
    )


# ---- benchmarks


def _benchmarks(
    runs: Sequence[Run], tracks: Sequence[Track], suites: Suites, known: Sequence[Known], ordinals: Ordinals
) -> list[Finding]:
    accepted = [_accepted(track, known, ordinals) for track in tracks]
    starts = [max((at for at, _ in entries), default=0) for entries in accepted]
    parts = [track.panel.part(start, track.runs.size) for track, start in zip(tracks, starts, strict=True)]
    latest = _latest(tracks)
    findings = []
    for track, entries, start, splits in zip(tracks, accepted, starts, detect.changes(parts), strict=True):
        found: list[tuple[detect.Split, Known | None]] = [
            (replace(split, at=start + split.at), None) for split in splits
        ]
        old = [(detect.Split(at, 0.0, math.nan), entry) for at, entry in entries]
        changes = sorted([*old, *found], key=lambda change: change[0].at)
        gone = _is_gone(track, suites, runs, ordinals, latest)
        findings += change.findings_of(runs, track, changes, gone=gone)
    return findings


def _latest(tracks: Iterable[Track]) -> dict[tuple[object, ...], int]:
    """Place of the last commit at which a benchmark was measured, in whatever version."""
    latest: dict[tuple[object, ...], int] = defaultdict(int)
    for track in tracks:
        if track.runs.size:
            latest[track.name] = max(latest[track.name], int(track.panel.commits[-1]))
    return latest


def _is_gone(
    track: Track, suites: Suites, runs: Sequence[Run], ordinals: Ordinals, latest: Mapping[tuple[object, ...], int]
) -> bool:
    """Whether a benchmark was removed, or its problem was replaced by another version."""
    if not track.runs.size:
        return True
    last = int(track.panel.commits[-1])
    if last < latest[track.name]:
        return True
    groups = ((machine, track.engine, track.environment) for machine in track.machines)
    later = (
        sum(ordinals[runs[int(run)].commit] > last for run in one.runs[~one.odd][-GONE:])
        for one in (suites[group] for group in groups if group in suites)
    )
    return max(later, default=0) >= GONE


def _accepted(track: Track, known: Iterable[Known], ordinals: Ordinals) -> list[tuple[int, Known]]:
    """Return where in a track the known changes lie today, by position; those that it shows no more are left out."""
    entries = [
        (ordinals[entry.commit], entry)
        for entry in known
        if (entry.benchmark, entry.parameters, entry.engine, entry.environment) == track.name
        and entry.commit in ordinals
    ]
    found: dict[int, Known] = {}
    for place, entry in sorted(entries, key=lambda each: each[0]):
        guess = int(np.searchsorted(track.panel.commits, place))
        if not 0 < guess < track.runs.size:
            continue
        start, stop = _undisturbed(track.panel, guess)
        near = track.panel.part(start, stop)
        at = detect.located(near, detect.Split(guess - start, 0.0, 1.0), MARGIN)
        if start + at not in found and _is_same(near, at, entry):
            found[start + at] = entry
    return sorted(found.items())


def _undisturbed(panel: detect.Panel, guess: int) -> tuple[int, int]:
    """Return the positions around a known change between which there is no other."""
    start, stop = max(0, guess - AROUND), min(panel.values.size, guess + AROUND)
    earlier, later = detect.changes([panel.part(start, guess), panel.part(guess, stop)], rate=1.0)
    if earlier:
        start += earlier[-1].at
    if later:
        stop = guess + later[0].at
    return start, stop


def _is_same(near: detect.Panel, at: int, entry: Known) -> bool:
    """Whether the change at a position is the accepted one: in its direction, and not provably larger."""
    sign = 1 if entry.kind.endswith("slower") else -1
    measured = effect.shift(change.sides(near, at, at))
    if measured is None or sign * measured.value <= 0:
        return False
    least = measured.low if sign > 0 else -measured.high
    return least <= abs(math.log(entry.ratio)) + detect.MIN_SIZE


# ---- what could not be judged


def _notices(history: History, suites: Suites, known: Iterable[Known], ordinals: Ordinals) -> tuple[str, ...]:
    notices = list(history.notices)
    other = sum(each.unit not in UNITS for each in history.series)
    if other:
        notices.append(
            f"{other} series are not judged: only of {' and '.join(UNITS)} is it known that less is better"
        )
    for (machine, _, environment), one in sorted(suites.items()):
        where = f"{machine} ({environment})" if environment else machine
        if one.runs.size < SHORTEST:  # too few to tell what is usual, and to find anything
            continue
        off = int((one.odd & ~one.unsettled).sum())
        if off:
            notices.append(
                f"{where}: {off} of {one.runs.size} runs are off as a whole, and left out: the machine's doing"
            )
        if one.unsettled.any():
            columns = np.flatnonzero(one.unsettled)
            first, last = (history.runs[int(one.runs[column])].commit[:8] for column in (columns[0], columns[-1]))
            notices.append(
                f"{where}: {columns.size} runs from {first} to {last} cannot be judged, as most there are off as a"
                " whole, each in its own way: record on hardware that is the same, or that is told apart"
            )
    notices += [
        f"known change {entry.id} is of {entry.commit[:8]}, which the history does not have: its entry does nothing"
        for entry in known
        if entry.commit not in ordinals
    ]
    return tuple(notices)
