"""Finds runs and lasting shifts in which a whole suite moves at once: the machine causes these, not the code.

A hosted runner may have another CPU in every run. Its factor cannot be divided out, as it differs between benchmarks
by 10 to 20 %. So odd runs are left out, as long as most runs are not odd.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from paceline.history.detect import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from paceline.history.model import Series

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Booleans = NDArray[np.bool_]

MOST_SERIES = 1000  # more hardly change a median, but a table of 25,000 takes a gigabyte
MIN_SERIES = 8  # with fewer, a single benchmark moves a run's median too much
BLOCK = 25  # runs that share one reference of a benchmark's level
NEIGHBOURS = 20  # runs on either side that define the usual level
ODD = 0.04  # in log: smaller deviations do no harm
MOST_ODD = 0.1  # in log: larger deviations are odd, even in an unsteady suite
ODD_SPREADS = 5.0  # and in robust standard deviations of a suite's level
SEPARATION = 0.9  # of the runs on either side of a shift lie on their own side of the midpoint
SETTLED = 0.5  # of the neighbours must be near the usual level, or there is none
SHARE = 0.75  # of the benchmarks must move by at least half the size of a suite's shift


@dataclass(frozen=True)
class Shift:
    """A whole suite's change of level. `at` is the column of the first run after it."""

    at: int
    size: float  #: log of the ratio after / before: the median over the benchmarks
    low: float  #: quartiles over the benchmarks
    high: float
    benchmarks: int
    p: float


@dataclass(frozen=True)
class Suite:
    """All runs of one machine, engine and environment; columns are runs, in order.

    `level` is each run's log factor against the first runs, NaN with fewer than 8 benchmarks; `odd` marks runs
    in which the whole suite is off.
    """

    runs: Integers
    level: Floats
    odd: Booleans
    unsettled: Booleans
    shifts: tuple[Shift, ...]

    def correction(self) -> Floats:
        """Return the log factor of each run's machine, from the lasting shifts, `(T,)`."""
        result = np.zeros(self.runs.size)
        for shift in self.shifts:
            result[shift.at :] += shift.size
        return result


def examine(series: Sequence[Series]) -> Suite:
    """Return the suite of these series, which share machine, engine and environment."""
    runs, values = table_of(series)
    level = suite_level(values)
    shifts = _shifts(values, level)
    off = _off(level, [shift.at for shift in shifts])
    unsettled = running_mean(off) > 1 - SETTLED
    return Suite(runs, level, off | unsettled, unsettled, shifts)


def table_of(series: Sequence[Series]) -> tuple[Integers, Floats]:
    """Return the runs of these series, `(T,)`, and the logs of values, `(S, T)`, NaN where one is missing.

    Of more than `MOST_SERIES`, some are chosen, evenly by name.
    """
    runs = np.flatnonzero(np.bincount(np.concatenate([each.runs for each in series])))  # as np.unique, but at once
    chosen = [series[int(place)] for place in np.linspace(0, len(series) - 1, min(len(series), MOST_SERIES))]
    values = np.full((len(chosen), runs.size), np.nan)
    for row, each in enumerate(chosen):
        values[row, np.searchsorted(runs, each.runs)] = logarithms(each.values)
    return runs, values


def logarithms(values: Floats) -> Floats:
    """Return natural logarithms; values that are not positive count as a picosecond, so that zeros stay equal."""
    logs: Floats = np.log(np.maximum(values, 1e-12))
    return logs


def median_of_known(values: Floats, axis: int) -> Floats:
    """Return the median along an axis without NaNs, much faster than np.nanmedian; NaN if all are NaN."""
    ordered = np.sort(values, axis=axis)  # NaNs come last
    known = np.isfinite(ordered).sum(axis=axis, keepdims=True)
    low, high = np.maximum(known - 1, 0) // 2, known // 2 * (known > 0)
    high = np.minimum(high, ordered.shape[axis] - 1)
    pair = np.take_along_axis(ordered, low, axis) + np.take_along_axis(ordered, high, axis)
    middle: Floats = np.squeeze(pair / 2, axis=axis)
    return middle


def suite_level(values: Floats) -> Floats:
    """Return each run's log factor, `(T,)`, from the logs `(S, T)`: the median over benchmarks of their deviations.

    A benchmark deviates from its median over a block of runs. Blocks are linked by the median over benchmarks of the
    difference of these medians. So a change of some benchmarks, even a lasting one, moves no factor.
    """
    length = values.shape[1]
    blocks = max(1, round(length / BLOCK))
    edges = np.linspace(0, length, blocks + 1).astype(int)
    references = np.stack([median_of_known(values[:, a:b], 1) for a, b in pairwise(edges)], axis=1)
    links = median_of_known(np.diff(references, axis=1), 0) if blocks > 1 else np.empty(0)
    offsets = np.concatenate([[0.0], np.cumsum(np.nan_to_num(links))])
    block = np.searchsorted(edges, np.arange(length), side="right") - 1
    level = offsets[block] + median_of_known(values - references[:, block], 0)
    level[np.isfinite(values).sum(axis=0) < MIN_SERIES] = np.nan
    return level


def _shifts(values: Floats, level: Floats) -> tuple[Shift, ...]:
    known = np.flatnonzero(np.isfinite(level))
    panel = scan.one_class(level[known])
    splits = scan.changes([panel])[0]
    while splits:
        edges = [0, *(split.at for split in splits), known.size]
        shifts = [
            _shift(values, known[edges[i] : edges[i + 1]], known[edges[i + 1] : edges[i + 2]], split.p)
            for i, split in enumerate(splits)
        ]
        separations = [
            _separation(panel.values[edges[i] : edges[i + 1]], panel.values[edges[i + 1] : edges[i + 2]])
            * (shifts[i] is not None)
            for i in range(len(splits))
        ]
        worst = int(np.argmin(separations))
        if separations[worst] >= SEPARATION:
            return tuple(shift for shift in shifts if shift is not None)
        del splits[worst]
    return ()


def _separation(before: Floats, after: Floats) -> float:
    """Return the share of values on their own side of the middle between the medians; that of the worse side."""
    left, right = float(np.median(before)), float(np.median(after))
    middle = (left + right) / 2
    upwards = right > left
    return float(min(((before < middle) == upwards).mean(), ((after > middle) == upwards).mean()))


def _shift(values: Floats, before: Integers, after: Integers, p: float) -> Shift | None:
    """Return the shift between these columns if most benchmarks share it."""
    moved = median_of_known(values[:, after], 1) - median_of_known(values[:, before], 1)
    moved = moved[np.isfinite(moved)]
    if moved.size < MIN_SERIES:
        return None
    low, middle, high = (float(each) for each in np.quantile(moved, (0.25, 0.5, 0.75)))
    takes_part = (moved * np.sign(middle) >= abs(middle) / 2).mean()
    if takes_part < SHARE or abs(middle) < scan.MIN_SIZE:
        return None
    return Shift(int(after[0]), middle, low, high, moved.size, p)


def _off(level: Floats, shifts: list[int]) -> Booleans:
    """Return whether each run is far from the usual level between the shifts around it."""
    deviation = np.zeros(level.size)
    edges = [0, *shifts, level.size]
    for start, stop in pairwise(edges):
        deviation[start:stop] = level[start:stop] - running_median(level[start:stop])
    deviation = np.nan_to_num(deviation)
    spread = 1.4826 * float(np.median(np.abs(deviation)))
    off: Booleans = np.abs(deviation) > max(ODD, min(MOST_ODD, ODD_SPREADS * spread))
    return off


def running_median(values: Floats) -> Floats:
    """Return the median of each value and its neighbours, up to 20 on either side."""
    return median_of_known(_neighbourhoods(values), 1)


def running_mean(values: Booleans) -> Floats:
    """Return the share of true values among each value and its neighbours, up to 20 on either side."""
    mean: Floats = np.nanmean(_neighbourhoods(values.astype(np.float64)), axis=1)
    return mean


def _neighbourhoods(values: Floats) -> Floats:
    padded = np.pad(values, NEIGHBOURS, constant_values=np.nan)
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1)
