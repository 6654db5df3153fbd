"""How large a change is, and between which commits it lies, with intervals that say how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from paceline.history import detect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from paceline.history.detect import Panel

    Floats = NDArray[np.float64]

Z_975 = 1.959964
LONGEST = 100  # values on either side: more would sharpen nothing but cost time
REPLICATES = 200
BLOCK = 5  # neighbouring values that are drawn together


@dataclass(frozen=True)
class Effect:
    """Log of the ratio after / before, with its 95 % interval; infinite where too few values bound it."""

    value: float
    low: float
    high: float


def shift(pairs: Sequence[tuple[Floats, Floats]]) -> Effect | None:
    """Hodges-Lehmann estimate of one shift from (before, after) of each hardware class; None without both sides.

    The median of all differences within a class, and the interval that inverts the Mann-Whitney test, summed over
    the classes (Hollander, Wolfe 1999, 4.2-4.3), its standard error widened for the autocorrelation of neighbours.
    """
    pairs = [(before[-LONGEST:], after[:LONGEST]) for before, after in pairs if before.size and after.size]
    if not pairs:
        return None
    differences = np.sort(np.concatenate([(after[:, None] - before).ravel() for before, after in pairs]))
    variance = sum(b.size * a.size * (b.size + a.size + 1) / 12 for b, a in pairs)
    widening = math.sqrt(_inflation(pairs))
    outside = math.floor(differences.size / 2 - Z_975 * widening * math.sqrt(variance))
    bounded = outside >= 1
    return Effect(
        value=float(np.median(differences)),
        low=float(differences[outside - 1]) if bounded else -math.inf,
        high=float(differences[-outside]) if bounded else math.inf,
    )


def _inflation(pairs: Sequence[tuple[Floats, Floats]]) -> float:
    """Return how many times larger the variance of a mean is than if neighbours had nothing in common, at least 1.

    (1 + r) / (1 - r) for first-order autocorrelation r of the ranks on each side; r is corrected for its bias of
    about -1/n (Kendall 1954) and kept below 0.8.
    """
    products = squares = 0.0
    count = sides = 0
    for side in (side for pair in pairs for side in pair if side.size > 2):  # noqa: PLR2004
        ranks = detect.ranks(side) - (side.size + 1) / 2
        products += float(ranks[1:] @ ranks[:-1]) / side.size**2
        squares += float(ranks @ ranks) / side.size**2
        count, sides = count + side.size, sides + 1
    if not squares:
        return 1.0
    r = min(0.8, max(0.0, products / squares + sides / count))
    return (1 + r) / (1 - r)


def whereabouts(panel: Panel, at: int) -> tuple[int, int]:
    """Return the first and the last position at which the change found at `at` may be, with 95 % confidence.

    The location is estimated anew from series drawn from the values of either side, each class's own level taken
    out (residual bootstrap: Antoch, Huskova 1995; in blocks, as neighbours may be alike: Kunsch 1989).
    Deterministic: the draws have a fixed seed.
    """
    start, stop = max(0, at - LONGEST), min(panel.values.size, at + LONGEST)
    near, split = panel.part(start, stop), at - start
    n = near.values.size
    low, high = min(detect.MIN_SEGMENT, split), max(n - detect.MIN_SEGMENT, split)
    sides = _levelled(near, split)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([_in_blocks(rng, side) for side in sides], axis=1)
    k = np.arange(low, high + 1)
    order = (drawn + 1e-12 * rng.random(drawn.shape)).argsort(axis=1)
    ranks = np.empty(drawn.shape)
    np.put_along_axis(ranks, order, np.arange(n, dtype=np.float64)[None], axis=1)
    sums = np.cumsum(ranks - (n - 1) / 2, axis=1)[:, k - 1]
    found = k[np.abs(sums / np.sqrt(k * (n - k))).argmax(axis=1)] - split
    early, late = np.quantile(found, (0.025, 0.975), method="closest_observation")
    return start + max(low, split - int(late)), start + min(high, split - int(early))


def _in_blocks(rng: np.random.Generator, side: Floats) -> Floats:
    """Draw as many values as there are, with replacement, by runs of neighbours; `(REPLICATES, n)`."""
    starts = rng.integers(side.size, size=(REPLICATES, -(-side.size // BLOCK), 1))
    positions = (starts + np.arange(BLOCK)) % side.size
    drawn: Floats = side[positions.reshape(REPLICATES, -1)[:, : side.size]]
    return drawn


def _levelled(panel: Panel, split: int) -> tuple[Floats, Floats]:
    """Values before and after, each class's median before taken out."""
    values = panel.values.copy()
    total = detect.size(panel, split)
    for stratum in np.unique(panel.strata):
        inside = panel.strata == stratum
        before, after = values[:split][inside[:split]], values[split:][inside[split:]]
        values[inside] -= float(np.median(before)) if before.size else float(np.median(after)) - total
    return values[:split], values[split:]
