"""Recognises a step between two levels that a series takes in turns, as a benchmark with two modes does.

If a series may leave a level at any time, with a fixed probability, its stays have exponential lengths. Of k + 1
such lengths, a given one has at least the share x of their sum with probability (1 - x)^k (Fisher 1929). At a lasting
step, the stay before or the one after is too long for that.

Fisher, R. A. (1929). Tests of significance in harmonic analysis. Proc. R. Soc. Lond. A 125, 54-59.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from paceline.history.detect import scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from paceline.history.detect.scan import Panel, Split

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

APART = 5  # robust spreads around both levels: levels that are nearer are not told apart value by value
STAYS = 2  # others to a level, at least, before a stay counts as one of many
EXPLAINED = 0.05  # a stay of a probability below is too long to be one of many


def lasting(panel: Panel, splits: Sequence[Split]) -> Iterator[Split]:
    """Yield the splits without those between levels that the series takes in turns."""
    edges = [0, *(split.at for split in splits), panel.values.size]
    for split, start, stop in zip(splits, edges, edges[2:], strict=False):
        if not _is_between_modes(panel, start, split.at, stop):
            yield split


def _is_between_modes(panel: Panel, start: int, at: int, stop: int) -> bool:
    """Whether on all machines with two clear levels around a position, these are taken in turns."""
    found = []
    for stratum in scan.classes(panel.strata[start:stop]):
        mine = np.flatnonzero(panel.strata == stratum)
        values = panel.values[mine]
        first, own, last = (int(each) for each in np.searchsorted(mine, (start, at, stop)))
        if first < own < last:
            levels = scan.median(values[first:own]), scan.median(values[own:last])
            found.append(explain(values, own, levels))
    known = [each for each in found if each is not None]
    return bool(known) and all(known)


def explain(values: Floats, at: int, level: tuple[float, float]) -> bool | None:
    """Whether stays in turns explain the step at a position, from the levels before and after it.

    None if the two levels are not clearly apart. Values that are at neither of them are left out.
    """
    from_old, from_new = (np.abs(values - each) for each in level)
    nearest = np.minimum(from_old, from_new)
    apart = abs(level[1] - level[0])
    if apart <= APART * 1.4826 * scan.median(nearest):
        return None
    known = nearest < apart / 2
    is_new = without_outliers(from_new[known] < from_old[known])
    return all(_is_one_of_many(*each) for each in stays(is_new, int(known[:at].sum())))


def without_outliers(is_new: Booleans) -> Booleans:
    """Return labels in which a single value between two of the other level has theirs."""
    cleaned = is_new.copy()
    cleaned[1:-1] = np.where(is_new[:-2] == is_new[2:], is_new[2:], is_new[1:-1])
    return cleaned


def stays(is_new: Booleans, at: int) -> list[tuple[int, list[int]]]:
    """Return for the old and for the new level the length of the stay next to a step, and those of all others."""
    borders = [0, *(np.flatnonzero(is_new[1:] != is_new[:-1]) + 1).tolist(), is_new.size]
    found = []
    for level, near in ((False, at - 1), (True, at)):
        of_level = [(start, stop) for start, stop in pairwise(borders) if is_new[start] == level]
        if not of_level:
            return []
        own = min(of_level, key=lambda each: max(each[0] - near, near - each[1] + 1))
        found.append((own[1] - own[0], [stop - start for start, stop in of_level if (start, stop) != own]))
    return found


def _is_one_of_many(own: int, others: list[int]) -> bool:
    return len(others) >= STAYS and (sum(others) / (own + sum(others))) ** len(others) > EXPLAINED
