"""Estimates the size of a change, and the commits between which it lies, both with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paceline.history.detect import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from paceline.history.detect.scan import Panel

    Floats = NDArray[np.float64]

Z_975 = 1.959964
LONGEST = 100  # values on either side: more cost time and hardly narrow the interval
REPLICATES = 200
BLOCK = 5  # neighbouring values that are drawn together


@dataclass(frozen=True)
class Effect:
    """Log of the ratio after / before, with its 95 % interval; infinite if too few values bound it."""

    value: float
    low: float
    high: float


def shift(pairs: Sequence[tuple[Floats, Floats]]) -> Effect | None:
    """Return the Hodges-Lehmann estimate of a shift from (before, after) of each machine; None without both sides.

    It is the median of all differences within a machine. The interval inverts the Mann-Whitney test, summed over the
    machines (Hollander, Wolfe 1999, 4.2-4.3), its standard error widened for the autocorrelation of neighbours.
    """
    pairs = [(before[-LONGEST:], after[:LONGEST]) for before, after in pairs if before.size and after.size]
    if not pairs:
        return None
    differences = np.concatenate([(after[:, None] - before).ravel() for before, after in pairs])
    variance = sum(b.size * a.size * (b.size + a.size + 1) / 12 for b, a in pairs)
    widening = math.sqrt(scan.memory_inflation(side for pair in pairs for side in pair))
    outside = math.floor(differences.size / 2 - Z_975 * widening * math.sqrt(variance))
    bounded = outside >= 1
    if bounded:
        differences.partition((outside - 1, differences.size - outside))
    return Effect(
        value=scan.median(differences),  # a copy is ordered
        low=float(differences[outside - 1]) if bounded else -math.inf,
        high=float(differences[-outside]) if bounded else math.inf,
    )


def whereabouts(panel: Panel, at: int) -> tuple[int, int]:
    """Return the first and last possible position of the change found at `at`, with about 95 % confidence.

    The location is estimated again from series drawn from the values of either side, without each machine's own level
    (residual bootstrap: Antoch, Huskova 1995; in blocks, as neighbours may be alike: Kunsch 1989).
    Deterministic: the draws have a fixed seed.
    """
    start, stop = max(0, at - LONGEST), min(panel.values.size, at + LONGEST)
    before, after = _levelled(panel.part(start, stop), at - start)
    low, high = min(scan.MIN_SEGMENT, before.size), max(stop - start - scan.MIN_SEGMENT, before.size)
    rng = np.random.default_rng(0)
    old, new = (_in_blocks(rng, side.astype(np.float32)) for side in (before, after))  # half the memory to pass
    drawn = np.concatenate([old, new], axis=1)
    levels = _medians(old), _medians(new)
    middle, half = (levels[0] + levels[1]) / 2, (levels[1] - levels[0]) / 2
    most = np.abs(half)  # of half of |x - new| - |x - old|
    leaning = np.sign(half) * np.minimum(np.maximum(middle - drawn, -most), most)
    fits = np.cumsum(leaning, axis=1)[:, low - 1 : high]
    moved = low + fits.argmax(axis=1) - before.size
    early, late = (int(each) for each in np.quantile(moved, (0.01, 0.99), method="closest_observation"))
    return max(start + low, at - max(late, 0)), min(start + high, at - min(early, 0), panel.values.size - 1)


def _medians(rows: Floats) -> Floats:
    """Return the median of each row, `(rows, 1)`, without np.median's checks."""
    ordered = np.sort(rows, axis=1)
    lower, upper = (rows.shape[1] - 1) // 2, rows.shape[1] // 2
    return (ordered[:, lower : lower + 1] + ordered[:, upper : upper + 1]) / 2


def _in_blocks(rng: np.random.Generator, side: Floats) -> Floats:
    """Return draws of all n values with replacement, in blocks of neighbours; `(REPLICATES, n)`."""
    starts = rng.integers(side.size, size=(REPLICATES, -(-side.size // BLOCK)))
    blocks = np.lib.stride_tricks.sliding_window_view(np.resize(side, side.size + BLOCK - 1), BLOCK)
    drawn: Floats = blocks[starts].reshape(REPLICATES, -1)[:, : side.size]
    return drawn


def _levelled(panel: Panel, split: int) -> tuple[Floats, Floats]:
    """Return the values before and after, without each machine's own median before."""
    values = panel.values.copy()
    total = scan.size(panel, split)
    for stratum in scan.classes(panel.strata):
        inside = panel.strata == stratum
        before, after = values[:split][inside[:split]], values[split:][inside[split:]]
        values[inside] -= float(np.median(before)) if before.size else float(np.median(after)) - total
    return values[:split], values[split:]
