"""Tells changes by code from changes by a machine's surroundings, by the order in which the runs were measured.

A change by code is sharp in the order of commits. Where commits were measured in another order, a change of the
surroundings (an upgrade, a new compiler, another room) is sharp in that order instead, and blurred in the order of
commits. If both orders are the same, nothing can be told.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from paceline.history.detect import scan
from paceline.report.places import new_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.history.detect.tracks import Ordinals, Track
    from paceline.history.model import Run
    from paceline.report.changes import Change

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Moved = tuple[str, Integers, NDArray[np.bool_]]  # machine, its runs around a change, and which have the new level

ERROR = 0.05  # chance to prefer the wrong one of two orders, over all places where each may be split
INDEPENDENT = 4  # benchmarks: those of one run share its disturbances, so more of them prove no more
CODE, SURROUNDINGS, UNCLEAR = "code", "surroundings", "unclear"


@dataclass(frozen=True)
class Misfits:
    """Runs that are not on their side of the best split in each order, counted by the share of changed benchmarks."""

    commits: float
    measured: float
    runs: int
    benchmarks: int

    @property
    def cause(self) -> str:
        """Return the cause by the ratio of both orders' likelihoods, each with its own rate of misfits."""
        if not self.runs:
            return UNCLEAR
        weight = self.runs * min(INDEPENDENT, self.benchmarks)
        gain = weight * (_entropy(self.commits / self.runs) - _entropy(self.measured / self.runs))
        if abs(gain) < math.log(2 * self.runs / ERROR):  # either direction at each place
            return UNCLEAR
        return SURROUNDINGS if gain > 0 else CODE


def with_causes(
    changes: Sequence[Change], tracks: Iterable[Track], runs: Sequence[Run], ordinals: Ordinals
) -> list[Change]:
    """Return the changes, in their order, with the causes of the new ones.

    Those at one place have one cause, except for a change that is proved to be code by itself.
    """
    track_of: dict[object, Track] = {(track.name, track.version, track.unit): track for track in tracks}
    of_track: dict[object, list[Change]] = defaultdict(list)
    for change in changes:
        of_track[_key(change)].append(change)
    measured = np.array([run.started for run in runs], dtype=np.int64)
    order = np.array([ordinals[run.commit] for run in runs], dtype=np.int64)
    found: dict[str, Change] = {}
    for place in new_places(changes):
        moved = [[*_moved(each, track_of[_key(each)], of_track[_key(each)], ordinals)] for each in place.changes]
        together = _misfits(moved, order, measured)
        for change, mine in zip(place.changes, moved, strict=True):
            is_code = together.cause == SURROUNDINGS and _misfits([mine], order, measured).cause == CODE
            found[change.id] = _with(change, together, CODE if is_code else together.cause)
    return [found.get(each.id, each) for each in changes]


def _key(change: Change) -> tuple[object, ...]:
    name = change.benchmark, change.parameters, change.engine, change.environment
    return name, change.evidence["version"], change.evidence["unit"]


def _with(change: Change, misfits: Misfits, cause: str) -> Change:
    if not misfits.runs:
        return change
    counts = {name: round(getattr(misfits, name), 2) for name in ("commits", "measured", "runs")}
    return replace(change, cause=cause, evidence={**change.evidence, "misfits": counts})


def _moved(change: Change, track: Track, others: Iterable[Change], ordinals: Ordinals) -> Iterator[Moved]:
    """Yield for each machine of a change the runs up to its next changes, and whether each has the new level."""
    at = ordinals[change.at]
    for machine in change.machines:
        edges = [ordinals[other.at] for other in others if machine in other.machines]
        mine = track.panel.of([track.machines.index(machine)])
        commits = track.panel.commits[mine]
        first, last = max([0, *(edge for edge in edges if edge < at)]), min([math.inf, *(e for e in edges if e > at)])
        mine, commits = (each[(commits >= first) & (commits < last)] for each in (mine, commits))
        values, after = track.panel.values[mine], commits >= at
        if after.any() and not after.all():
            old, new = scan.median(values[~after]), scan.median(values[after])
            yield machine, track.runs[mine], (values > (old + new) / 2) == (new > old)


def _misfits(moved: Sequence[Sequence[Moved]], order: Integers, measured: Integers) -> Misfits:
    """Return the misfits of changes that may have one cause, each machine by itself."""
    known = measured > 0
    by_commit = by_time = 0.0
    count = 0
    for share in _shares(moved, order.size).values():
        inside = np.flatnonzero(np.isfinite(share) & known)
        if inside.size >= 2 * scan.MIN_SEGMENT:
            count += inside.size
            by_commit += _least(share[inside[np.argsort(order[inside], kind="stable")]])
            in_time = share[inside[np.argsort(measured[inside], kind="stable")]]
            by_time += min(_least(in_time), _least(in_time[::-1]))
    return Misfits(by_commit, by_time, count, len(moved))


def _shares(moved: Sequence[Sequence[Moved]], count: int) -> Mapping[str, Floats]:
    """Return by machine the share of benchmarks at their new level in each run, NaN in other runs; `(count,)`."""
    totals: dict[str, Floats] = defaultdict(lambda: np.zeros(count))
    new: dict[str, Floats] = defaultdict(lambda: np.zeros(count))
    for each in moved:
        for machine, runs, has_moved in each:
            totals[machine][runs] += 1
            new[machine][runs] += has_moved
    return {
        machine: np.divide(new[machine], total, out=np.full(count, np.nan), where=total > 0)
        for machine, total in totals.items()
    }


def _least(share: Floats) -> float:
    """Return the misfits of the best split into the old level before and the new level after it."""
    early = np.cumsum(share)[:-1]
    late = np.cumsum(1 - share[::-1])[-2::-1]
    return float((early + late).min())


def _entropy(rate: float) -> float:
    """Return -log of the likelihood of one run, in which the rate of misfits is as it was found."""
    rate = min(rate, 0.5)
    return -sum(each * math.log(each) for each in (rate, 1 - rate) if each > 0)
