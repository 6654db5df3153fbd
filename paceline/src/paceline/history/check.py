"""From a history to findings: what became slower or faster, where, since which commit, and what else changed there.

Nothing is said of an odd run, which is the machine's doing (see `suite`). What is known and accepted ends a series:
only what came after it is scanned, so it loosens no bar for the next change.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.history import detect, effect, suite
from paceline.history.finding import Difference, Finding, Report
from paceline.history.tracks import (
    UNITS,
    Selection,
    Track,
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

    from numpy.typing import NDArray

    from paceline.history.effect import Effect
    from paceline.history.known import Known
    from paceline.history.model import History, Run
    from paceline.history.tracks import Group, Ordinals, Suites

    Integers = NDArray[np.int64]

MARGIN = 3  # values by which the estimated place of a known change may move
AROUND = 30  # values on either side that tell where a known change lies now
NEARBY = 4  # runs on either side whose packages and facts are compared
GONE = 10  # runs of the suite without a benchmark, after which it counts as removed
SHORTEST = 14  # values: the ranks of fewer cannot reach detect.ALPHA, whatever they are
ANCHOR = 64  # values after a change, of which the first that show it give it its name


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
        findings += _suites(history.runs, suites, known, ordinals)
    chosen = [each for each in findings if is_wanted(each.at, each.date) and (each.known or _is_borne_out(each))]
    notices = _notices(history, suites, known, ordinals)
    if all(track.runs.size < SHORTEST for track in tracks):
        notices = (*notices, f"no series has {SHORTEST} values yet: nothing can be found before")
    return Report(tuple(sorted(chosen, key=_worst_first)), notices)


def _is_borne_out(finding: Finding) -> bool:
    """Whether the interval of the size lies on the finding's side; one without bounds contradicts nothing."""
    if finding.low == 0 or finding.high == _ratio(math.inf):
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
        findings += _findings(runs, track, changes, gone=gone)
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
    measured = effect.shift(_sides(near, at, at))
    if measured is None or sign * measured.value <= 0:
        return False
    least = measured.low if sign > 0 else -measured.high
    return least <= abs(math.log(entry.ratio)) + detect.MIN_SIZE


def _sides(panel: detect.Panel, stop: int, start: int) -> list[tuple[detect.Floats, detect.Floats]]:
    """Return each class's values before `stop` and from `start` on."""
    inside = [panel.strata == stratum for stratum in detect.classes(panel.strata)]
    return [(panel.values[:stop][one[:stop]], panel.values[start:][one[start:]]) for one in inside]


def _findings(
    runs: Sequence[Run], track: Track, changes: Sequence[tuple[detect.Split, Known | None]], *, gone: bool
) -> list[Finding]:
    """Return a finding for each change of a track; the changes are in the order of their positions."""
    edges = [0, *(split.at for split, _ in changes), track.runs.size]
    sizes = [
        detect.size(track.panel.part(edges[i], edges[i + 2]), edges[i + 1] - edges[i], split.stratum)
        for i, (split, _) in enumerate(changes)
    ]
    findings = []
    for i, (split, entry) in enumerate(changes):
        finding = _finding(runs, track, split, (edges[i], edges[i + 2]), entry)
        upward = finding.kind.endswith("slower")
        left = sum(sizes[i:]) * (1 if upward else -1)
        if entry is not None:
            state = "known"
        elif gone:
            state = "gone"
        else:
            state = "new" if left >= detect.MIN_SIZE else "recovered"
        findings.append(replace(finding, state=state))
    return findings


def _finding(
    runs: Sequence[Run], track: Track, split: detect.Split, around: tuple[int, int], entry: Known | None
) -> Finding:
    start, stop = around
    part = track.panel.part(start, stop)
    early, late = effect.whereabouts(part, split.at - start, split.stratum)
    per_machine = _per_machine(track, part, split.at - start, early, late)
    shifted = detect.size(part, split.at - start, split.stratum)
    kind = "slower" if shifted > 0 else "faster"
    moved = _where(per_machine, kind, None if split.stratum is None else track.machines[split.stratum])
    strata = [number for number, machine in enumerate(track.machines) if machine in moved]
    size = _effect(part, split.at - start, early, late, strata) or effect.Effect(shifted, -math.inf, math.inf)
    commits = _commits(runs, track.runs[start + early : start + late + 1])
    first = int(np.searchsorted(track.panel.commits, track.panel.commits[start + early]))
    before, after = _nearby(runs, track, strata, first, start + late)
    best = runs[int(track.runs[split.at])]
    return Finding(
        id=_id(track, _anchor(track, start, split), runs),
        kind=kind,
        benchmark=track.benchmark,
        parameters=track.parameters,
        engine=track.engine,
        environment=track.environment,
        machines=tuple(moved),
        elsewhere=_elsewhere(per_machine, moved),
        ratio=_ratio(size.value),
        low=_ratio(size.low),
        high=_ratio(size.high),
        before=runs[int(track.runs[max(0, first - 1)])].commit,
        after=commits[-1],
        at=best.commit,
        commits=commits,
        date=best.date,
        state="new",
        dependencies=_differences([run.packages for run in before], [run.packages for run in after]),
        facts=_differences([run.facts for run in before], [run.facts for run in after]),
        known=entry,
        evidence={
            "p": None if math.isnan(split.p) else split.p,
            "statistic": round(split.statistic, 3),
            "values_before": int(split.at - start),
            "values_after": int(stop - split.at),
            "unit": track.unit,
            "version": track.version,
            "machines": {name: _described(verdict, one) for name, (verdict, one) in per_machine.items()},
        },
    )


def _ratio(log: float) -> float:
    return math.exp(min(log, 700.0)) if log > -math.inf else 0.0


def _described(verdict: str, one: Effect | None) -> dict[str, Any]:
    if one is None:
        return {"verdict": verdict}
    bounds = {"low": one.low, "high": one.high}
    known = {name: round(_ratio(log), 4) for name, log in bounds.items() if math.isfinite(log)}
    return {"verdict": verdict, "ratio": round(_ratio(one.value), 4), **known}


def _effect(part: detect.Panel, at: int, early: int, late: int, strata: Sequence[int]) -> Effect | None:
    """Size on some classes, from the values that surely lie before or after; from all if those are too few."""
    chosen = np.isin(part.strata, strata)
    kept = detect.Panel(part.values[chosen], part.strata[chosen], part.commits[chosen])
    count = np.concatenate([[0], np.cumsum(chosen)])
    stop, start = int(count[early]), int(count[late])
    if min(stop, kept.values.size - start) < detect.MIN_SEGMENT:
        stop = start = int(count[at])
    return effect.shift(_sides(kept, stop, start))


def _per_machine(
    track: Track, part: detect.Panel, at: int, early: int, late: int
) -> dict[str, tuple[str, Effect | None]]:
    """Return what happened on each hardware class: slower, faster, same (proved), or unclear."""
    result: dict[str, tuple[str, Effect | None]] = {}
    for stratum, machine in enumerate(track.machines):
        one = _effect(part, at, early, late, [stratum])
        verdict = "unclear"
        if one is not None and one.low > 0:
            verdict = "slower"
        elif one is not None and one.high < 0:
            verdict = "faster"
        elif one is not None and max(-one.low, one.high) < detect.MIN_SIZE:
            verdict = "same"
        result[machine] = verdict, one
    return result


def _where(per_machine: Mapping[str, tuple[str, Effect | None]], kind: str, alone: str | None) -> list[str]:
    """Return the classes on which a change is proved; where it is only seen over all of them, those that allow it.

    `alone` is the class whose own scan saw it: it counts as well where values are too few to bound the size.
    """
    moved = [
        machine
        for machine, (verdict, size) in per_machine.items()
        if verdict == kind or (machine == alone and (size is None or math.isinf(size.low) or math.isinf(size.high)))
    ]
    unclear = [machine for machine, (verdict, _) in per_machine.items() if verdict == "unclear"]
    return moved or unclear or list(per_machine)


def _elsewhere(per_machine: Mapping[str, tuple[str, Effect | None]], moved: Sequence[str]) -> str | None:
    others = {verdict for machine, (verdict, _) in per_machine.items() if machine not in moved}
    if not others:
        return None
    return "same" if others == {"same"} else "unclear"


def _commits(runs: Sequence[Run], indices: Integers) -> tuple[str, ...]:
    return tuple(dict.fromkeys(runs[int(index)].commit for index in indices))


def _nearby(
    runs: Sequence[Run], track: Track, strata: Sequence[int], first: int, last: int
) -> tuple[list[Run], list[Run]]:
    """Return the runs just before and just after a change, on a class where it happened."""
    positions = np.flatnonzero(track.panel.strata == (strata[0] if strata else 0))
    before = positions[positions < first][-NEARBY:]
    after = positions[positions >= last][:NEARBY]
    return [runs[int(track.runs[p])] for p in before], [runs[int(track.runs[p])] for p in after]


def _differences(before: Sequence[Mapping[str, str]], after: Sequence[Mapping[str, str]]) -> tuple[Difference, ...]:
    """Return what was one thing in all runs before and another in all after: what always changes says nothing."""
    if not before or not after:
        return ()
    found = []
    for name in sorted({name for each in (*before, *after) for name in each}):
        old, new = {each.get(name) for each in before}, {each.get(name) for each in after}
        settled = len(old) == 1 and len(new) == 1 and len(before) + len(after) > 2  # noqa: PLR2004
        if settled and old != new:
            found.append(Difference(name, old.pop(), new.pop()))
    return tuple(found)


def _anchor(track: Track, start: int, split: detect.Split) -> int:
    """Return the position at which the change was first seen, which later runs do not move."""
    start = max(start, split.at - ANCHOR)
    for stop in range(split.at + detect.MIN_SEGMENT, min(track.runs.size, split.at + ANCHOR) + 1):
        seen = detect.scan(track.panel.part(start, stop))
        if seen.p <= detect.ALPHA and seen.statistic * split.statistic >= 0:
            return start + seen.at
    return split.at


def _id(track: Track, anchor: int, runs: Sequence[Run]) -> str:
    commit = runs[int(track.runs[anchor])].commit
    text = "\0".join([track.benchmark, *track.parameters, track.engine, track.environment, commit])
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]


# ---- whole suites


def _suites(runs: Sequence[Run], suites: Suites, known: Sequence[Known], ordinals: Ordinals) -> list[Finding]:
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
    findings = _findings(runs, track, changes, gone=False)
    return [
        replace(
            finding,
            kind=f"suite-{finding.kind}",
            evidence={
                **finding.evidence,
                "benchmarks": shift.benchmarks,
                "quartiles": [round(_ratio(shift.low), 4), round(_ratio(shift.high), 4)],
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
