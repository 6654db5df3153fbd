"""Infers machine types if one machine name covers several kinds of hardware, as on hosted runners.

Two runs on one type have nearly equal times, up to the few benchmarks that the code changed between them; on another
type, most benchmarks differ. So the distance of two runs is the median over the suite of the absolute difference of
logarithms. Runs that are linked by distances below the gap are one type. A change of the whole suite by code also
makes distances, but it happens once, and types take turns.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from paceline.history.detect import suite_wide
from paceline.history.detect.tracks import groups_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from paceline.history.detect.tracks import Group, Suites
    from paceline.history.model import History, Series

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

LEAST = 8  # runs of a type; and odd runs of a suite, before types are looked for
NEAR = 0.02  # in log: runs that differ by less are of one type, however steady the suite
SPREADS = 8  # robust spreads above the usual distance of nearest runs: the gap
BENCHMARKS = 100  # at most; more do not change a median
PAIRS = 500_000  # at most; runs that are further apart are linked through those between them
ADJACENT = 10  # runs on either side of a border between two periods of one type


def split(history: History, suites: Suites | None = None) -> History:
    """Return a history in which each inferred type of a machine is a machine of its own, with notices about them.

    `suites` are those of the history, if they were examined already.
    """
    groups = sorted(groups_of(history.series).items())
    found = {group: types_of(members, (suites or {}).get(group)) for group, members in groups}
    found = {group: (runs, types) for group, (runs, types) in found.items() if types.any()}
    if not found:
        return history
    series = tuple(part for each in history.series for part in _parts(each, found))
    notices = (_notice(group, np.bincount(types).tolist()) for group, (_, types) in found.items())
    return replace(history, series=series, notices=(*history.notices, *notices))


def name(machine: str, number: int) -> str:
    """Return the name of a type: the most frequent one, 0, keeps the machine's."""
    return f"{machine} (type {number + 1})" if number else machine


def _notice(group: Group, counts: Sequence[int]) -> str:
    machine, _, environment = group
    where = f"{machine} ({environment})" if environment else machine
    *first, last = map(str, counts)
    return (
        f"{where}: {len(counts)} types of hardware, with {', '.join(first)} and {last} runs, were inferred from the"
        " times of the whole suite. Each is checked as a machine of its own."
    )


def _parts(series: Series, found: Mapping[Group, tuple[Integers, Integers]]) -> Iterator[Series]:
    """Yield the series of each type; a series of another unit stays whole, as hardware hardly moves it."""
    key = series.key
    group = key.machine, key.engine, key.environment
    if series.unit != "seconds" or group not in found:
        yield series
        return
    runs, types = found[group]
    mine = types[np.searchsorted(runs, series.runs)]
    for number in np.unique(mine).tolist():
        columns = {each: getattr(series, each)[mine == number] for each in ("runs", "values", "low", "high")}
        yield replace(series, key=replace(key, machine=name(key.machine, number)), **columns)


def types_of(series: Sequence[Series], suite: suite_wide.Suite | None = None) -> tuple[Integers, Integers]:
    """Return the runs of a suite and the type of each, `(T,)`: 0 is the most frequent, others by their first run."""
    suite = suite or suite_wide.examine(series)
    runs = suite.runs
    if len(series) < suite_wide.MIN_SERIES or suite.odd.sum() < LEAST:
        return runs, np.zeros(runs.size, dtype=np.int64)
    values = suite_wide.table_of(series)[1]
    values = values[np.argsort(-np.isfinite(values).sum(axis=1), kind="stable")[:BENCHMARKS]]
    early, late, distance = distances(values)
    gap = _gap(early, late, distance, runs.size)
    found = _linked(early[distance <= gap], late[distance <= gap], runs.size)
    usual = np.array([_is_type(values[:, found == each], gap) for each in range(found.max() + 1)])[found]
    found = _periods_joined(_others_joined(found, usual, early, late, distance))
    return runs, _numbered(found)


def _numbered(types: Integers) -> Integers:
    """Return types with the most frequent one as 0, and the others in the order of their first runs."""
    _, first, inverse, counts = np.unique(types, return_index=True, return_inverse=True, return_counts=True)
    rank = np.argsort(np.argsort(np.where(counts == counts.max(), first - types.size, first), kind="stable"))
    numbered: Integers = rank[inverse].astype(np.int64)
    return numbered


def distances(values: Floats) -> tuple[Integers, Integers, Floats]:
    """Return pairs of columns and the distance of each, infinite with fewer than 8 common benchmarks."""
    count = values.shape[1]
    reach = min(count - 1, max(1, PAIRS // count))
    parts = [
        (np.arange(count - apart), np.arange(apart, count), _distance(values, apart)) for apart in range(1, reach + 1)
    ]
    early, late, found = (np.concatenate(each) for each in zip(*parts, strict=True))
    return early, late, found


def _distance(values: Floats, apart: int) -> Floats:
    """Return the median absolute difference of columns that are so far apart, `(T - apart,)`."""
    difference = np.abs(values[:, apart:] - values[:, :-apart])
    distance = suite_wide.median_of_known(difference, 0)
    distance[np.isfinite(difference).sum(axis=0) < suite_wide.MIN_SERIES] = np.inf
    return distance


def _linked(early: Integers, late: Integers, count: int) -> Integers:
    """Return the number of each run's group, of those that pairs link directly or through others."""
    from scipy.sparse import coo_array  # importing it takes most of a second, and steady hardware does not need it
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(early.size), (early, late)), shape=(count, count))
    groups: Integers = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups


def _is_type(values: Floats, gap: float) -> bool:
    """Whether linked runs are enough, and usually below the gap from one to the next: speed may vary freely."""
    return values.shape[1] >= LEAST and float(np.median(_distance(values, 1))) <= gap


def _gap(early: Integers, late: Integers, distance: Floats, count: int) -> float:
    """Return the distance above which two runs are not linked, from the distances of all runs to their nearest."""
    nearest = np.full(count, np.inf)
    np.minimum.at(nearest, early, distance)
    np.minimum.at(nearest, late, distance)
    nearest = nearest[np.isfinite(nearest)]
    if not nearest.size:
        return NEAR
    usual = float(np.median(nearest))
    return max(NEAR, usual + SPREADS * 1.4826 * float(np.median(np.abs(nearest - usual))))


def _others_joined(
    types: Integers, usual: NDArray[np.bool_], early: Integers, late: Integers, distance: Floats
) -> Integers:
    """Return types in which runs that are of none belong to the type of the nearest usual run, where they are odd."""
    if not usual.any():
        return np.zeros_like(types)
    joined = types.copy()
    ends, others = np.concatenate([early, late]), np.concatenate([late, early])
    both = np.tile(distance, 2)
    for run in np.flatnonzero(~usual):
        pairs = np.flatnonzero((ends == run) & usual[others])
        joined[run] = types[others[pairs[np.argmin(both[pairs])]]] if pairs.size else types[usual][0]
    return joined


def _periods_joined(types: Integers) -> Integers:
    """Return types in which one goes on under the next that begins where it ends: code changed the whole suite."""
    joined = types.copy()
    for border in range(1, types.size):
        before, after = joined[:border], joined[border:]
        old, new = _majority(before[-ADJACENT:]), _majority(after[:ADJACENT])
        if old is not None and new is not None and old not in after and new not in before:
            joined[joined == new] = old
    return joined


def _majority(types: Integers) -> int | None:
    common, count = Counter(types.tolist()).most_common(1)[0]
    return int(common) if 2 * count > types.size else None
