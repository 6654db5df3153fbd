"""How much slower or faster: estimates from round values, with the bounds that the exact tests give."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from statistics import NormalDist, median
from typing import TYPE_CHECKING

from paceline.gate.sequential import count_by_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.gate.sequential import Plan

FEWEST_ROUNDS_SPREAD = 3  # two values have a distance, not a spread
POWER = 0.9


@dataclass(frozen=True)
class Estimate:
    """A benchmark's log-ratio: Hodges-Lehmann estimate with exact bounds.

    `low` and `high` are the two-sided 95 % interval, None with fewer than 6 rounds; `upper` is the one-sided
    95 % bound, None with fewer than 5.
    """

    value: float
    low: float | None
    high: float | None
    upper: float | None


def walsh_averages(values: Sequence[float]) -> list[float]:
    """Means of all pairs, each value with itself included, ascending."""
    ordered = sorted(values)
    return sorted([(first + second) / 2 for at, first in enumerate(ordered) for second in ordered[at:]])


def estimate(values: Sequence[float]) -> Estimate:
    """Hodges-Lehmann estimate and the bounds that invert the signed-rank test (Hollander, Wolfe 1999, 3.3).

    Raises ValueError without values.
    """
    if len(values) == 0:
        raise ValueError("no rounds, so nothing to estimate")
    averages = walsh_averages(values)
    two_sided = _outermost(len(values), 0.025)
    one_sided = _outermost(len(values), 0.05)
    return Estimate(
        value=median(averages),
        low=None if two_sided is None else averages[two_sided],
        high=None if two_sided is None else averages[-1 - two_sided],
        upper=None if one_sided is None else averages[-1 - one_sided],
    )


@lru_cache(maxsize=256)
def _outermost(rounds: int, tail: float) -> int | None:
    """How many of the outermost Walsh averages may be left out on one side; None if not even 0."""
    counts = accumulate(count_by_sum(range(1, rounds + 1)))
    left_out = bisect_right(list(counts), math.ldexp(tail, rounds)) - 1
    return None if left_out < 0 else left_out


def detectable(values: Sequence[float], schedule: Plan) -> float | None:
    """Smallest true log-ratio that nine trials in ten would tell from no change within the planned rounds.

    A guide, which no test uses: a normal approximation from the spread of these rounds, with Wilcoxon's
    efficiency of 3/pi, at the level of one test. None with fewer than 3 rounds.
    """
    if len(values) < FEWEST_ROUNDS_SPREAD:
        return None
    centre = median(walsh_averages(values))
    spread = _spread([value - centre for value in values])
    normal = NormalDist()
    reach = -normal.inv_cdf(schedule.level / 2) - normal.inv_cdf(1 - POWER)
    return reach * spread * math.sqrt(math.pi / 3 / schedule.rounds)


def _spread(residuals: Sequence[float]) -> float:
    """Median absolute deviation, scaled to a standard deviation (small samples: Croux, Rousseeuw 1992)."""
    rounds = len(residuals)
    return 1.4826 * median(map(abs, residuals)) * rounds / max(1.0, rounds - 0.8)
