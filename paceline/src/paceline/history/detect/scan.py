"""Finds where a series changes its level, by ranks, so that the shape of the noise and outliers do not matter.

For n values with the ranks R_1 .. R_n, the standardised rank CUSUM of a split after the first k of them is

    Z_k = sum_{i > k} (R_i - (n + 1) / 2)  /  sqrt(k (n - k) (n + 1) / 12)

the Mann-Whitney statistic of the two sides. The scan tries every split that leaves m values on either side:

    T = max |Z_k|  over  m <= k <= n - m                     (Pettitt 1979; weights of Lombard 1987)

If nothing changed, all orders of the values are equally likely, so the law of T depends on n alone. It was
simulated once (`null.csv`, made by `paceline/detection.py table`), for the maximum, not only for a split that was
chosen beforehand. Several machines are ranked separately and their sums added, as van Elteren (1960) combines
strata. Ties are ranked in an order that was drawn beforehand, which keeps the law exact.

Pettitt, A. N. (1979). A non-parametric approach to the change-point problem. Applied Statistics 28, 126-135.
Lombard, F. (1987). Rank tests for changepoint problems. Biometrika 74, 615-624.
Vostrikova, L. Y. (1981). Detecting disorder in multidimensional random processes. Soviet Math. Doklady 24, 55-59.
Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate. J. R. Statist. Soc. B 57, 289-300.
Bai, J. (1995). Least absolute deviation estimation of a shift. Econometric Theory 11, 403-436.
Yekutieli, D. (2008). Hierarchical false discovery rate-controlling methodology. JASA 103, 309-316.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from paceline.history.detect import kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

MIN_SEGMENT = 4  # values on either side of a split
MIN_SIZE = math.log(1.02)  # smaller changes are not reported
ALPHA = 0.001  # level of one scan
ROUNDING = 1e-12  # exp(log(0.001)) is slightly above 0.001, so that a series of 14 values could never reach it
FDR = 0.01  # at most this share of a check's changes is false; if nothing changed, of the checks
#: Inflation at an autocorrelation of 0.45. Below it, level and power are as measured;
#: docs/explanation/history-evidence.md has figures.
STRONG_MEMORY = (1 + 0.45) / (1 - 0.45)
PLAIN = 8  # robust spreads: memory explains no step beyond this many


@dataclass(frozen=True)
class Panel:
    """One benchmark's values in the order of commits, on one or more machines.

    `values` are logarithms, `(n,)`; `strata` the number of each value's machine, `(n,)`, from 0; `commits` the number
    of each value's commit, `(n,)`, ascending. Values of one commit are never split.
    """

    values: Floats
    strata: Integers
    commits: Integers

    def part(self, start: int, stop: int) -> Panel:
        """Return the values at the positions from `start` up to, not including, `stop`."""
        return Panel(self.values[start:stop], self.strata[start:stop], self.commits[start:stop])

    def take(self, positions: Integers) -> Panel:
        """Return the values at these positions, which ascend."""
        return Panel(self.values[positions], self.strata[positions], self.commits[positions])

    def is_of(self, strata: Iterable[int]) -> NDArray[np.bool_]:
        """Return whether each value is of one of some machines, `(n,)`."""
        wanted = np.zeros(int(self.strata.max(initial=-1)) + 1, dtype=bool)
        wanted[[stratum for stratum in strata if stratum < wanted.size]] = True
        return wanted[self.strata]

    def of(self, strata: Iterable[int]) -> Integers:
        """Return the positions of some machines."""
        return np.flatnonzero(self.is_of(strata))

    def first_of(self, commit: int) -> int:
        """Return the position of the first value of a commit, or of the next that has one."""
        return int(np.searchsorted(self.commits, commit))


def one_class(values: Floats) -> Panel:
    """Return a panel of one machine, with one value per commit."""
    return Panel(values, np.zeros(values.size, dtype=np.int64), np.arange(values.size))


@dataclass(frozen=True)
class Split:
    """The most striking split of a panel. `at` is the position of the first value after it."""

    at: int
    statistic: float  #: Z at the split: positive if the later values are larger
    p: float  #: chance of a T as large if nothing changed


def classes(strata: Integers) -> Integers:
    """Return the numbers of the machines that have values, ascending."""
    return np.flatnonzero(np.bincount(strata))


def median(values: Floats) -> float:
    """Return the median of at least one value, without np.median's checks: ten times as fast for short series."""
    middle = values.size // 2
    if values.size % 2:
        return float(np.partition(values, middle)[middle])
    low, high = np.partition(values, (middle - 1, middle))[middle - 1 : middle + 1]
    return float(low + high) / 2


def ranks(values: Floats) -> Floats:
    """Return ranks from 1; equal values are ranked in a fixed random order, independent of their own order."""
    order = np.argsort(values)
    ordered = values[order]
    if (ordered[1:] == ordered[:-1]).any():  # a stable sort takes twice as long
        drawn = _drawn_order(values.size)
        order = drawn[np.argsort(values[drawn], kind="stable")]
    result = np.empty(values.size)
    result[order] = np.arange(1.0, values.size + 1)
    return result


@lru_cache(maxsize=256)
def _drawn_order(n: int) -> Integers:
    return np.random.default_rng(0).random(n).argsort()


def cusum(values: Floats) -> tuple[Floats, Floats]:
    """Return the numerator of Z_k and its variance for k = 0 .. n, both `(n + 1,)`."""
    n = values.size
    k = np.arange(n + 1)
    sums = np.concatenate([[0.0], -np.cumsum(ranks(values) - (n + 1) / 2)])
    return sums, k * (n - k) * (n + 1) / 12


def curve(panel: Panel) -> Floats:
    """Return Z_k for k = 0 .. n, `(n + 1,)`, summed over the machines; 0 if fewer than m values are on a side."""
    n = panel.values.size
    sums, variances = _sums(panel)
    allowed = np.zeros(n + 1, dtype=bool)
    allowed[MIN_SEGMENT : n - MIN_SEGMENT + 1] = True
    allowed[1:n] &= (panel.commits[1:] != panel.commits[:-1]) & (variances[1:n] > 0)
    z = np.zeros(n + 1)
    z[allowed] = sums[allowed] / np.sqrt(variances[allowed])
    return z


def _sums(panel: Panel) -> tuple[Floats, Floats]:
    """Return the numerator of Z_k and its variance, both summed over the machines, `(n + 1,)`."""
    strata = classes(panel.strata)
    if strata.size == 1:
        return cusum(panel.values)
    sums, variances = np.zeros((2, panel.values.size + 1))
    for stratum in strata:
        inside = panel.strata == stratum
        before = np.concatenate([[0], np.cumsum(inside)])  # of this machine, among the first k
        own_sums, own_variances = cusum(panel.values[inside])
        sums += own_sums[before]
        variances += own_variances[before]
    return sums, variances


def scan(panel: Panel) -> Split:
    """Return the split with the smallest p over all machines together.

    Its law depends on how the machines take turns. Machines that follow one another are the worst case, like several
    scans in one, so p is multiplied by their number.
    """
    content = (panel.values, panel.strata, panel.commits[1:] != panel.commits[:-1])
    return Split(*kept.found(content, partial(scanned, panel)))


def scanned(panel: Panel) -> kept.Found:
    """Return the fields of `scan`'s split, from the values themselves."""
    z = curve(panel)
    best = int(np.abs(z).argmax())
    statistic = float(z[best])
    if not statistic:
        return 0, 0.0, 1.0
    p = p_value(abs(statistic), panel.values.size)
    return best, statistic, min(1.0, classes(panel.strata).size * p)


@cache
def null_law() -> tuple[Integers, Floats, Floats]:
    """Return lengths `(L,)`, levels `(P,)` descending, and the smallest T of each level, `(L, P)`; inf if none."""
    text = resources.files("paceline.history.detect").joinpath("null.csv").read_text(encoding="ascii")
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    levels = np.array(rows[0][1:], dtype=np.float64)
    table = np.array(rows[1:], dtype=np.float64)
    return table[:, 0].astype(np.int64), levels, table[:, 1:]


@lru_cache(maxsize=4096)
def _law_of(n: int) -> tuple[Floats, Floats, bool, float]:
    """Return T^2 and log p of the reachable levels, whether these are all, and the factor for longer series."""
    lengths, levels, table = null_law()
    row = int(np.searchsorted(lengths, n))
    longer = 1.0
    if row == lengths.size:
        row, longer = row - 1, n / float(lengths[-1])
    reached = np.isfinite(table[row])
    return table[row][reached] ** 2, np.log(levels[reached]), bool(reached.all()), longer


def p_value(statistic: float, n: int) -> float:
    """Return the chance that T of n values reaches `statistic` if nothing changed.

    Between simulated levels, log p is interpolated in T^2. Beyond the last, it falls as a normal law's does, which
    is slower than ranks do. Lengths that were not simulated take the next longer one, which has larger values of
    T. Beyond the last length, its law is used with p multiplied by the ratio of the lengths, as a union bound.
    """
    squares, logs, is_whole, longer = _law_of(n)
    if not squares.size or statistic**2 < squares[0]:
        return 1.0
    log_p = float(np.interp(statistic**2, squares, logs)) - max(0.0, (statistic**2 - squares[-1]) / 2)
    if not is_whole:
        log_p = max(log_p, float(logs[-1]))  # so short a series has no smaller level
    return min(1.0, longer * math.exp(log_p) * (1 - ROUNDING))


def false_discovery_limit(p_values: Iterable[float], rate: float) -> float:
    """Return the largest p that Benjamini and Hochberg's procedure rejects; 0 if none."""
    ordered = np.sort(np.fromiter(p_values, dtype=np.float64))
    passed = ordered <= rate * np.arange(1, ordered.size + 1) / max(1, ordered.size)
    return float(ordered[passed][-1]) if passed.any() else 0.0


def changes(
    panels: Sequence[Panel], alpha: float = ALPHA, rate: float = FDR, looks: Sequence[int] | None = None
) -> list[list[Split]]:
    """Return the splits of each panel, by position: binary segmentation of all panels at once (Vostrikova 1981).

    A part is split if its p is at most `alpha` and survives Benjamini and Hochberg's procedure among all parts of
    its generation. Only then are its two sides scanned, as the next generation (Yekutieli 2008). `looks` is the
    number of scans to which each panel's belongs (Bonferroni); 1 if not given.
    """
    looks = looks or [1] * len(panels)
    found: list[list[Split]] = [[] for _ in panels]
    parts = [(number, 0, panel.values.size) for number, panel in enumerate(panels)]
    while parts := [part for part in parts if part[2] - part[1] >= 2 * MIN_SEGMENT]:
        splits = [_counted(scan(panels[number].part(start, stop)), looks[number]) for number, start, stop in parts]
        limit = min(alpha, false_discovery_limit((split.p for split in splits), rate))
        sides = []
        for (number, start, stop), split in zip(parts, splits, strict=True):
            if split.p <= limit:
                at = start + located(panels[number].part(start, stop), split)
                found[number].append(replace(split, at=at))
                sides += [(number, start, at), (number, at, stop)]
        parts = sides
    return [
        _proved(panel, _pruned(panel, sorted(splits, key=lambda split: split.at)), alpha)
        for panel, splits in zip(panels, found, strict=True)
    ]


def _counted(split: Split, looks: int) -> Split:
    return replace(split, p=min(1.0, looks * split.p))


def located(panel: Panel, split: Split, margin: int | None = None) -> int:
    """Return the position of a change near a split; at most `margin` positions from it.

    The maximum of Z is biased towards the middle of a series. So this returns the position with the least sum of
    absolute deviations from the medians of both sides (Bai 1995).
    """
    leaning = np.zeros(panel.values.size)  # how much better the old level fits
    for stratum in classes(panel.strata):
        inside = panel.strata == stratum
        before, after = panel.values[: split.at][inside[: split.at]], panel.values[split.at :][inside[split.at :]]
        if before.size and after.size:
            own = panel.values[inside]
            leaning[inside] = np.abs(own - median(after)) - np.abs(own - median(before))
    n = panel.values.size
    first = MIN_SEGMENT if margin is None else max(1, split.at - margin)
    last = n - MIN_SEGMENT if margin is None else min(n - 1, split.at + margin)
    possible = np.arange(first, last + 1)
    possible = possible[panel.commits[possible - 1] != panel.commits[possible]]
    if possible.size == 0:
        return split.at
    fits = np.cumsum(leaning)[possible - 1]
    return int(possible[np.flatnonzero(fits == fits.max())[-1]])  # the last: where a machine has values again


def _pruned(panel: Panel, splits: list[Split]) -> list[Split]:
    """Return the splits without those between nearly equal levels; the smallest are removed first."""
    while splits:
        edges = [0, *(split.at for split in splits), panel.values.size]
        sizes = [abs(size(panel.part(edges[i], edges[i + 2]), edges[i + 1] - edges[i])) for i in range(len(splits))]
        smallest = int(np.argmin(sizes))
        if sizes[smallest] >= MIN_SIZE:
            break
        del splits[smallest]
    return splits


def _proved(panel: Panel, splits: list[Split], alpha: float) -> list[Split]:
    """Return the splits without those that strong autocorrelation explains; the weakest are removed first.

    Autocorrelation widens the law of T as if Z were divided by the root of the inflation. It is estimated within the
    segments, so that changes are not taken for autocorrelation. Small steps that were pruned look like it too, so
    plain steps stay whatever its strength.
    """
    while splits:
        edges = [0, *(split.at for split in splits), panel.values.size]
        inflation = memory_inflation(
            [
                panel.values[a:b][panel.strata[a:b] == stratum]
                for a, b in pairwise(edges)
                for stratum in classes(panel.strata[a:b])
            ]
        )
        if inflation < STRONG_MEMORY:
            break
        parts = [panel.part(edges[i], edges[i + 2]) for i in range(len(splits))]
        p_values = [
            0.0 if _is_plain(part, at - start) else _p_with_memory(part, inflation)
            for part, at, start in zip(parts, edges[1:], edges, strict=False)
        ]
        weakest = int(np.argmax(p_values))
        if p_values[weakest] <= alpha:
            break
        del splits[weakest]
    return splits


def _p_with_memory(panel: Panel, inflation: float) -> float:
    return p_value(abs(scan(panel).statistic) / math.sqrt(inflation), panel.values.size)


def _is_plain(panel: Panel, at: int) -> bool:
    """Whether the step at a position is beyond `PLAIN` times the robust spread around the levels on its sides."""
    deviations = [
        np.abs(own - median(own))
        for side in (panel.part(0, at), panel.part(at, panel.values.size))
        for stratum in classes(side.strata)
        if (own := side.values[side.strata == stratum]).size
    ]
    return abs(size(panel, at)) > PLAIN * 1.4826 * median(np.concatenate(deviations))


def memory_inflation(segments: Iterable[Floats]) -> float:
    """Return the variance of a mean relative to that of independent values, at least 1.

    (1 + r) / (1 - r) for first-order autocorrelation r of the ranks in each segment; r is corrected for its bias of
    about -1/n (Kendall 1954) and kept below 0.8.
    """
    products = squares = 0.0
    count = used = 0
    for segment in segments:
        if segment.size > 2:  # noqa: PLR2004
            _, product, square = kept.found((segment,), partial(_memory, segment))
            products, squares = products + product, squares + square
            count, used = count + segment.size, used + 1
    if not squares:
        return 1.0
    r = min(0.8, max(0.0, products / squares + used / count))
    return (1 + r) / (1 - r)


def _memory(segment: Floats) -> kept.Found:
    """Return 0, and the sums of the products of neighbours and of the squares of a segment's centred ranks."""
    centred = ranks(segment) - (segment.size + 1) / 2
    return 0, float(centred[1:] @ centred[:-1]) / segment.size**2, float(centred @ centred) / segment.size**2


def size(panel: Panel, at: int) -> float:
    """Return the log ratio of the medians after and before `at`, weighted over machines; 0 without both sides."""
    total = weights = 0.0
    for each in classes(panel.strata):
        inside = panel.strata == each
        before, after = panel.values[:at][inside[:at]], panel.values[at:][inside[at:]]
        if before.size and after.size:
            weight = before.size * after.size / (before.size + after.size)
            total += weight * (median(after) - median(before))
            weights += weight
    return total / weights if weights else 0.0
