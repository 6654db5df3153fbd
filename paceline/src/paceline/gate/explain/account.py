"""The test behind an explanation: which functions differ, with a known error rate over all of them together.

A round's value of a function is head's time less base's, per call of the benchmark, over the mean of both totals.
Swap the sides of a round, and all its values turn their signs at once. So on identical code the signs of whole rounds
are fair coins, also if functions depend on each other. The statistic is the largest of the studentised means; it is
stepped down, as by Westfall and Young (1993). All signs are enumerated, so p-values are counts. At most 20
of the 2,048 choices, which is 0.98 %, have a p-value of at most 1 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, repeat
from statistics import fmean
from typing import TYPE_CHECKING

from paceline.report.explanations import Explanation, FunctionChange, ShareChange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ALPHA = 0.01  # a function is named in at most this share of explanations of identical code
COVERED = 0.95  # of explanations: all intervals hold the truth
ROUNDS = 12  # all 2**11 signs, up to a turn of all, take some 50 ms
SMALLEST = 0.002  # of the time of both sides: functions with less are part of the rest
MOST = 100  # functions

Function = tuple[str, str]  # file and name
Times = dict[Function, float]  # per call, by function


@dataclass(frozen=True)
class SampledRound:
    """What one round has sampled: time per call of each function, by side."""

    base: Times
    head: Times

    def values(self) -> Times:
        """Return each function's value; they add up to that of the total."""
        middle = (sum(self.base.values()) + sum(self.head.values())) / 2
        return {each: (self.head.get(each, 0) - self.base.get(each, 0)) / middle for each in self.times()}

    def times(self) -> Times:
        """Return each function's time on both sides together: the same with the sides swapped."""
        return {each: self.base.get(each, 0) + self.head.get(each, 0) for each in {**self.base, **self.head}}


def explain(rounds: Sequence[SampledRound], samples: int, code: Mapping[Function, str]) -> Explanation:
    """Return the account of these rounds. `code`: whether a function's own code is the same or changed."""
    values = [each.values() for each in rounds]
    total = [sum(each.values()) for each in values]
    columns = {each: [value.get(each, 0.0) for value in values] for each in large(rounds)}
    scale = 1 / (1 - fmean(total) / 2)  # from the mean of both totals to base's
    factor = critical([*columns.values(), total], COVERED)
    p = adjusted(columns)

    def difference(column: Sequence[float]) -> ShareChange:
        middle, half = fmean(column), factor * _error(column)
        return ShareChange(scale * middle, scale * (middle - half), scale * (middle + half))

    functions = [
        FunctionChange(*each, difference(column), p[each], p[each] <= ALPHA, code.get(each))
        for each, column in columns.items()
    ]
    functions.sort(key=lambda each: (not each.named, -abs(each.difference.change)))
    account = Explanation(tuple(functions), difference(total), difference(total), len(rounds), samples)
    shown = [columns[each.file, each.function] for each in account.shown]
    rest = [whole - sum(parts) for whole, *parts in zip(total, *shown, strict=True)]
    return Explanation(account.functions, account.total, difference(rest), account.rounds, account.samples)


def large(rounds: Sequence[SampledRound]) -> list[Function]:
    """Return the functions with most of the time: a choice that is the same with the sides of any round swapped."""
    times: Times = {}
    for each in rounds:
        for function, time in each.times().items():
            times[function] = times.get(function, 0.0) + time
    least = SMALLEST * sum(times.values())
    found = [each for each in sorted(times, key=lambda each: (-times[each], each)) if times[each] >= least]
    return found[:MOST]


def adjusted(columns: Mapping[Function, Sequence[float]]) -> dict[Function, float]:
    """Return each column's p-value for "its signs are fair coins", adjusted for all columns together."""
    scaled = {name: _studentised(column) for name, column in columns.items()}
    seen = {name: abs(sum(column)) for name, column in scaled.items()}
    order = sorted(columns, key=lambda name: seen[name])  # from the least, so that maxima are of it and all smaller
    shares = []
    largest: Iterable[float] = repeat(0.0)
    for name in order:
        largest = list(map(max, largest, map(abs, _flipped(scaled[name]))))
        shares.append(sum([each >= seen[name] - 1e-9 for each in largest]) / len(largest))
    p = accumulate(reversed(shares), max)
    return dict(zip(reversed(order), p, strict=True))


def critical(columns: Sequence[Sequence[float]], level: float) -> float:
    """Return how many standard errors around the means hold all true means at once, at this level.

    It is the quantile, over all signs, of the largest t-statistic of the columns without their means. Approximate: a
    test holds it by simulation.
    """
    rounds = len(columns[0])
    centred = [_studentised([value - fmean(column) for value in column]) for column in columns]
    flipped = [map(abs, _flipped(column)) for column in centred]
    largest = sorted(map(max, zip(*flipped, strict=True)))
    quantile: float = largest[min(len(largest) - 1, math.ceil(level * len(largest)))]
    # From the scale of `_studentised` to t.
    return quantile * math.sqrt((rounds - 1) / max(1e-9, rounds - quantile**2))


def _flipped(column: Sequence[float]) -> list[float]:
    """Return the column's sum for all choices of signs, but for a turn of all; in the same order for each column."""
    sums = [column[0]]
    for value in column[1:]:
        sums = [each + value for each in sums] + [each - value for each in sums]
    return sums


def _studentised(column: Sequence[float]) -> list[float]:
    """Divide by the root of the sum of squares, which no sign changes: the sum then rises with the t-statistic."""
    size = math.sqrt(sum(value * value for value in column))
    return [value / size for value in column] if size else list(column)


def _error(column: Sequence[float]) -> float:
    """Return the standard error of the mean."""
    middle = fmean(column)
    return math.sqrt(sum((value - middle) ** 2 for value in column) / (len(column) - 1) / len(column))
