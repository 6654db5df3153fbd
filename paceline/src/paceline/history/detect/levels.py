"""Describes a change: its size, machines and commits, and the packages and facts that changed with it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.history.detect import effect, scan, segments
from paceline.report.changes import Change, Difference

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.history.detect.effect import Effect
    from paceline.history.detect.segments import ChangePoint
    from paceline.history.detect.tracks import Track
    from paceline.history.model import Run
    from paceline.report.changes import Accepted

    Integers = NDArray[np.int64]

NEARBY = 4  # runs on either side whose packages and facts are compared
UNDONE = 0.1  # of a change must later changes undo, or it counts as whole
ANCHOR = 64  # values after a change; the first of them that show it decide its id


def sides(panel: scan.Panel, stop: int, start: int) -> list[tuple[scan.Floats, scan.Floats]]:
    """Return each machine's values before `stop` and from `start` on."""
    inside = [panel.strata == stratum for stratum in scan.classes(panel.strata)]
    return [(panel.values[:stop][one[:stop]], panel.values[start:][one[start:]]) for one in inside]


def findings_of(
    runs: Sequence[Run],
    track: Track,
    changes: Sequence[tuple[ChangePoint, Accepted | None]],
    gone: Collection[int] = (),
) -> list[Change]:
    """Return the described changes of a track, in the order of their positions.

    `gone` are the machines, by number, on which the benchmark is no longer measured.
    """
    every = [change for change, _ in changes]
    findings = [_finding(runs, track, every, change, entry) for change, entry in changes]
    # From here on a change belongs to the machines that it is reported for: later changes there may undo it.
    spread = [
        replace(change, strata=tuple(map(track.machines.index, finding.machines)))
        for change, finding in zip(every, findings, strict=True)
    ]
    return [
        finding if finding.accepted else _with_state(finding, track, spread, place, gone)
        for place, finding in enumerate(findings)
    ]


def _with_state(
    finding: Change, track: Track, changes: Sequence[ChangePoint], place: int, gone: Collection[int]
) -> Change:
    """Return a change with its state by the machines on which it happened, and with the ratio that is left of it."""
    still = [stratum for stratum in changes[place].strata if stratum not in gone]
    if not still:
        return replace(finding, state="gone")
    sign = 1 if finding.kind.endswith("slower") else -1
    whole = sign * math.log(finding.ratio)
    change = changes[place]
    if not any(other.at > change.at and {*other.strata} & {*still} for other in changes):
        return finding
    sizes = [segments.remaining(track.panel, changes, change, stratum) for stratum in still]
    left = max((sign * each for each in sizes if each is not None), default=whole)
    if left > whole - max(scan.MIN_SIZE, UNDONE * whole):
        return finding
    return replace(finding, left=ratio(sign * left), state="new" if left >= scan.MIN_SIZE else "recovered")


def _finding(
    runs: Sequence[Run], track: Track, changes: Sequence[ChangePoint], change: ChangePoint, entry: Accepted | None
) -> Change:
    near = segments.around(track.panel, changes, change)
    part = track.panel.take(near)
    own = segments.where_found(track.panel, changes, change)
    own_at = int(np.searchsorted(own, change.at))
    early, late = segments.whereabouts(track.panel, changes, change)
    place = _Whereabouts(*(int(np.searchsorted(near, position)) for position in (change.at, early, late)))
    per_machine = _per_machine(track, part, place)
    shifted = scan.size(track.panel.take(own), own_at)
    kind = "slower" if shifted > 0 else "faster"
    moved = _where(track, per_machine, kind, change, _changed_separately(changes, change, early, late))
    strata = [track.machines.index(machine) for machine in moved]
    one = per_machine[moved[0]][1] if len(moved) == 1 else _effect(part, place, strata)
    size = one or effect.Effect(shifted, -math.inf, math.inf)
    first = track.panel.first_of(int(track.panel.commits[early]))
    before, after = _nearby(runs, track, strata, first, late)
    return Change(
        id=_id(track, own[_anchor(track.panel.take(own), own_at, change.statistic)], runs),
        kind=kind,
        benchmark=track.benchmark,
        parameters=track.parameters,
        engine=track.engine,
        environment=track.environment,
        machines=tuple(moved),
        elsewhere=_elsewhere(per_machine, moved),
        ratio=ratio(size.value),
        left=ratio(size.value),
        low=ratio(size.low),
        high=ratio(size.high),
        before=runs[int(track.runs[max(0, first - 1)])].commit,
        **_place(runs, track, change.at, early, late),
        state="new" if entry is None else "accepted",
        dependencies=_differences([run.packages for run in before], [run.packages for run in after]),
        facts=_differences([run.facts for run in before], [run.facts for run in after]),
        accepted=entry,
        evidence=_statistics(track, change, own_at, own.size - own_at)
        | {"machines": {name: _described(verdict, one) for name, (verdict, one) in per_machine.items()}},
    )


def _place(runs: Sequence[Run], track: Track, at: int, early: int, late: int) -> dict[str, Any]:
    commits = _commits(runs, track.runs[early : late + 1])
    best = runs[int(track.runs[at])]
    return {"after": commits[-1], "at": best.commit, "commits": commits, "date": best.date}


def _statistics(track: Track, change: ChangePoint, before: int, after: int) -> dict[str, Any]:
    p = None if math.isnan(change.p) else change.p
    found = {"p": p, "statistic": round(change.statistic, 3), "values_before": before, "values_after": after}
    return found | {name: getattr(track, name) for name in ("unit", "version", "more_is_better")}


def ratio(log: float) -> float:
    """Return the ratio with this logarithm, as a number that JSON can hold."""
    return math.exp(min(log, 700.0)) if log > -math.inf else 0.0


def _described(verdict: str, one: Effect | None) -> dict[str, Any]:
    if one is None:
        return {"verdict": verdict}
    bounds = {"low": one.low, "high": one.high}
    known = {name: round(ratio(log), 4) for name, log in bounds.items() if math.isfinite(log)}
    return {"verdict": verdict, "ratio": round(ratio(one.value), 4), **known}


@dataclass(frozen=True)
class _Whereabouts:
    """The best, first possible and last possible position of a change among the values around it."""

    at: int
    early: int
    late: int


def _effect(part: scan.Panel, place: _Whereabouts, strata: Sequence[int]) -> Effect | None:
    """Return the size on some machines, from values surely before or after; from all values if those are few."""
    chosen = part.is_of(strata)
    kept = part.take(np.flatnonzero(chosen))
    count = np.concatenate([[0], np.cumsum(chosen)])
    stop, start = int(count[place.early]), int(count[place.late])
    if min(stop, kept.values.size - start) < scan.MIN_SEGMENT:
        stop = start = int(count[place.at])
    return effect.shift(sides(kept, stop, start))


def _per_machine(track: Track, part: scan.Panel, place: _Whereabouts) -> dict[str, tuple[str, Effect | None]]:
    """Return the verdict of each machine: slower, faster, same (proved), or unclear."""
    result: dict[str, tuple[str, Effect | None]] = {}
    for stratum, machine in enumerate(track.machines):
        one = _effect(part, place, [stratum])
        verdict = "unclear"
        if one is not None and one.low > 0:
            verdict = "slower"
        elif one is not None and one.high < 0:
            verdict = "faster"
        elif one is not None and max(-one.low, one.high) < scan.MIN_SIZE:
            verdict = "same"
        result[machine] = verdict, one
    return result


def _changed_separately(changes: Iterable[ChangePoint], change: ChangePoint, early: int, late: int) -> set[int]:
    """Return the machines with another change at the same place, which is reported separately."""
    others = (other.strata for other in changes if other is not change and early <= other.at <= late)
    return set[int]().union(*others) - set(change.strata)


def _where(
    track: Track,
    per_machine: Mapping[str, tuple[str, Effect | None]],
    kind: str,
    change: ChangePoint,
    separate: Collection[int],
) -> list[str]:
    """Return the machines on which a change is proved; if it is seen only over all, those where it is possible.

    A machine whose own scan found it counts too if it has too few values to bound the size.
    """
    names = [machine for stratum, machine in enumerate(track.machines) if stratum not in separate]
    alone = {track.machines[stratum] for stratum in change.alone}
    moved = [
        machine
        for machine in names
        if per_machine[machine][0] == kind or (machine in alone and not _is_bounded(per_machine[machine][1]))
    ]
    unclear = [machine for machine in names if per_machine[machine][0] == "unclear"]
    return moved or unclear or names


def _is_bounded(size: Effect | None) -> bool:
    return size is not None and math.isfinite(size.low) and math.isfinite(size.high)


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
    """Return the runs just before and just after a change, on a machine where it happened."""
    positions = np.flatnonzero(track.panel.strata == (strata[0] if strata else 0))
    before = positions[positions < first][-NEARBY:]
    after = positions[positions >= last][:NEARBY]
    return [runs[int(track.runs[p])] for p in before], [runs[int(track.runs[p])] for p in after]


def _differences(before: Sequence[Mapping[str, str]], after: Sequence[Mapping[str, str]]) -> tuple[Difference, ...]:
    """Return values that are equal in all runs before and equal in all runs after, but differ between the two."""
    if not before or not after:
        return ()
    found = []
    for name in sorted({name for each in (*before, *after) for name in each}):
        old, new = {each.get(name) for each in before}, {each.get(name) for each in after}
        settled = len(old) == 1 and len(new) == 1 and len(before) + len(after) > 2  # noqa: PLR2004
        if settled and old != new:
            found.append(Difference(name, old.pop(), new.pop()))
    return tuple(found)


def _anchor(panel: scan.Panel, at: int, statistic: float) -> int:
    """Return the position at which the change was first found; later runs do not move it."""
    start = max(0, at - ANCHOR)
    for stop in range(at + scan.MIN_SEGMENT, min(panel.values.size, at + ANCHOR) + 1):
        seen = scan.scan(panel.part(start, stop))
        if seen.p <= scan.ALPHA and seen.statistic * statistic >= 0:
            return start + seen.at
    return at


def _id(track: Track, anchor: np.int64, runs: Sequence[Run]) -> str:
    commit = runs[int(track.runs[anchor])].commit
    text = "\0".join([track.benchmark, *track.parameters, track.engine, track.environment, commit])
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
