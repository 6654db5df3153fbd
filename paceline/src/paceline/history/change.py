"""What is told of a change: how large it is, on which hardware, between which commits, what else changed there."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.history import detect, effect
from paceline.history.finding import Difference, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.history.effect import Effect
    from paceline.history.known import Known
    from paceline.history.model import Run
    from paceline.history.tracks import Track

    Integers = NDArray[np.int64]

NEARBY = 4  # runs on either side whose packages and facts are compared
ANCHOR = 64  # values after a change, of which the first that show it give it its name


def sides(panel: detect.Panel, stop: int, start: int) -> list[tuple[detect.Floats, detect.Floats]]:
    """Return each class's values before `stop` and from `start` on."""
    inside = [panel.strata == stratum for stratum in detect.classes(panel.strata)]
    return [(panel.values[:stop][one[:stop]], panel.values[start:][one[start:]]) for one in inside]


def findings_of(
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
        ratio=ratio(size.value),
        low=ratio(size.low),
        high=ratio(size.high),
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


def ratio(log: float) -> float:
    """Return the ratio of which this is the logarithm, as a number that JSON can hold."""
    return math.exp(min(log, 700.0)) if log > -math.inf else 0.0


def _described(verdict: str, one: Effect | None) -> dict[str, Any]:
    if one is None:
        return {"verdict": verdict}
    bounds = {"low": one.low, "high": one.high}
    known = {name: round(ratio(log), 4) for name, log in bounds.items() if math.isfinite(log)}
    return {"verdict": verdict, "ratio": round(ratio(one.value), 4), **known}


def _effect(part: detect.Panel, at: int, early: int, late: int, strata: Sequence[int]) -> Effect | None:
    """Size on some classes, from the values that surely lie before or after; from all if those are too few."""
    chosen = np.isin(part.strata, strata)
    kept = detect.Panel(part.values[chosen], part.strata[chosen], part.commits[chosen])
    count = np.concatenate([[0], np.cumsum(chosen)])
    stop, start = int(count[early]), int(count[late])
    if min(stop, kept.values.size - start) < detect.MIN_SEGMENT:
        stop = start = int(count[at])
    return effect.shift(sides(kept, stop, start))


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
