"""Finds the changes of a benchmark on several machines: first on each machine, then on all together.

A change on one machine must neither hide one on another nor be taken for it, so each machine is scanned alone.
Changes that are too small for the few values of one machine are found on all together, once the others are removed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from paceline.history.detect import effect, modes, scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paceline.history.detect.scan import Integers, Panel

ALIKE = 1.5  # sizes, in log, that differ by at most this factor may be one change


@dataclass(frozen=True)
class ChangePoint:
    """A change of level. `at` is the position in its panel of the first value after it."""

    at: int
    strata: tuple[int, ...]  #: the machines in whose values it was found
    statistic: float  #: Z: positive if the later values are larger
    p: float
    #: Those of `strata` that were scanned alone when it was found.
    alone: tuple[int, ...] = ()


def changes(panels: Sequence[Panel], rate: float = scan.FDR) -> list[list[ChangePoint]]:
    """Return the changes of each panel, by position.

    With several machines, half of the level goes to their own scans and half to the scan of all together.
    """
    found: list[list[ChangePoint]] = [[] for _ in panels]
    present = [scan.classes(panel.strata) for panel in panels]
    owners = [(number, int(stratum)) for number, strata in enumerate(present) for stratum in strata]
    own = [panels[number].take(panels[number].of([stratum])) for number, stratum in owners]
    looks = [2 * present[number].size if present[number].size > 1 else 1 for number, _ in owners]
    for (number, stratum), panel, splits in zip(owners, own, scan.changes(own, rate=rate, looks=looks), strict=True):
        for split in modes.lasting(panel, splits):
            at = panels[number].first_of(int(panel.commits[split.at]))
            found[number].append(ChangePoint(at, (stratum,), split.statistic, split.p, (stratum,)))
    several = [number for number, strata in enumerate(present) if strata.size > 1]
    left = [_levelled(panels[number], found[number]) for number in several]
    splits_of = scan.changes(left, rate=rate, looks=[2] * len(several))
    for number, panel, splits in zip(several, left, splits_of, strict=True):
        strata = tuple(map(int, present[number]))
        found[number] += [
            ChangePoint(split.at, strata, split.statistic, split.p) for split in modes.lasting(panel, splits)
        ]
    return [joined(panel, each) for panel, each in zip(panels, found, strict=True)]


def _levelled(panel: Panel, found: Iterable[ChangePoint]) -> Panel:
    """Return the panel without the changes: every machine keeps its first level."""
    values = panel.values.copy()
    for stratum in scan.classes(panel.strata):
        mine = panel.of([stratum])
        edges = _edges(mine, [change.at for change in found if stratum in change.strata])
        first = scan.median(values[mine[edges[0] : edges[1]]])
        for start, stop in pairwise(edges):
            values[mine[start:stop]] += first - scan.median(values[mine[start:stop]])
    return replace(panel, values=values)


def _edges(positions: Integers, places: Sequence[int]) -> list[int]:
    """Return the borders among some positions, both ends included."""
    inner = sorted(int(np.searchsorted(positions, place)) for place in places)
    return [0, *inner, positions.size]


@dataclass(frozen=True)
class _Seen:
    """A change, its first and last possible position, and its size."""

    change: ChangePoint
    early: int
    late: int
    size: float


def joined(panel: Panel, found: Iterable[ChangePoint]) -> list[ChangePoint]:
    """Return the changes with those of different machines joined if place, direction and size may be the same."""
    ordered = sorted(found, key=lambda change: (change.at, change.strata))
    if len({change.strata for change in ordered}) < 2:  # noqa: PLR2004
        return ordered
    whole: list[_Seen] = []
    for change in ordered:
        seen = _Seen(change, *whereabouts(panel, ordered, change), _size(panel, ordered, change))
        number = next((number for number, other in enumerate(whole) if _is_one(other, seen)), None)
        if number is None:
            whole.append(seen)
        else:
            whole[number] = _both(whole[number], seen)
    return sorted((seen.change for seen in whole), key=lambda change: (change.at, change.strata))


def _is_one(one: _Seen, other: _Seen) -> bool:
    sizes = abs(one.size), abs(other.size)
    return (
        one.size * other.size > 0
        and max(sizes) <= ALIKE * min(sizes)
        and max(one.early, other.early) <= min(one.late, other.late)
        and not {*one.change.alone} & {*other.change.alone}
    )


def _both(one: _Seen, other: _Seen) -> _Seen:
    """Return both joined at the place of the clearer one; one found on a single machine comes first."""
    lead = max(one, other, key=lambda seen: (bool(seen.change.alone), abs(seen.change.statistic)))
    strata = {*one.change.strata, *other.change.strata}
    alone = {*one.change.alone, *other.change.alone}
    return replace(lead, change=replace(lead.change, strata=tuple(sorted(strata)), alone=tuple(sorted(alone))))


def around(panel: Panel, found: Iterable[ChangePoint], change: ChangePoint) -> Integers:
    """Return the positions around a change: of each machine, those up to its next changes on either side."""
    inside = np.ones(panel.values.size, dtype=bool)
    places = np.arange(panel.values.size)
    for other in found:
        if other.at != change.at:
            mine = panel.is_of(other.strata)
            inside &= ~(mine & ((places < other.at) if other.at < change.at else (places >= other.at)))
    return np.flatnonzero(inside)


def where_found(panel: Panel, found: Iterable[ChangePoint], change: ChangePoint) -> Integers:
    """Return the positions around a change on the machines on which it was found."""
    near = around(panel, found, change)
    return near[panel.is_of(change.strata)[near]]


def whereabouts(panel: Panel, found: Iterable[ChangePoint], change: ChangePoint) -> tuple[int, int]:
    """Return the first and last possible position of a change, with about 95 % confidence; see `effect`."""
    mine = where_found(panel, found, change)
    own = panel.take(mine)
    early, late = effect.whereabouts(own, int(np.searchsorted(mine, change.at)))
    first = int(np.searchsorted(panel.commits, own.commits[early - 1], side="right"))
    return first, int(mine[late])


def _size(panel: Panel, found: Iterable[ChangePoint], change: ChangePoint) -> float:
    mine = where_found(panel, found, change)
    return scan.size(panel.take(mine), int(np.searchsorted(mine, change.at)))


def remaining(panel: Panel, found: Sequence[ChangePoint], change: ChangePoint, stratum: int) -> float | None:
    """Return the log ratio that later changes left of a change on a machine; None if it has too few values since.

    That is the least of the later levels against the level before: once recovered, a change stays recovered. A later
    change that only other machines show splits the values too, but counts from a few values on.
    """
    mine = panel.of([stratum])
    edges = _edges(mine, [other.at for other in found if stratum in other.strata])
    here = int(np.searchsorted(mine, change.at))
    before = mine[max(edge for edge in edges if edge < here or edge == 0) : here]
    later = [mine[start:stop] for start, stop in pairwise(edges) if here < start < stop]
    since = mine[mine >= max(other.at for other in found)]
    if not later and since.size >= scan.MIN_SEGMENT:
        later = [since]
    if not before.size or not later:
        return None
    old = scan.median(panel.values[before])
    return min((scan.median(panel.values[each]) - old for each in later), key=lambda left: left * change.statistic)
