"""How much slower or faster: estimates from round values, with the bounds that the exact tests give."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, combinations
from statistics import NormalDist, median
from typing import TYPE_CHECKING

from paceline.gate.sequential import count_by_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.gate.sequential import Plan

FEWEST_ROUNDS_SPREAD = 3  # two values have a distance, not a spread
TAIL = 0.05  # of the one-sided bound
TAIL_OF_TWO = 0.025  # on each side of the interval
POWER = 0.9
SATURATION = 1.3  # times what small shifts would need; some rounds are grossly off, and looks share the level
CLEAR = 0.2  # spreads: so far above the tolerance, nine in ten estimates reach it at one of the looks


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
    two_sided = _outermost(len(values), TAIL_OF_TWO)
    one_sided = _outermost(len(values), TAIL)
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


def detectable(values: Sequence[float], schedule: Plan, limit: float) -> float | None:
    """Smallest true log-ratio that nine gates in ten would call slower, at the noise of these rounds.

    A guide, which no test uses. `limit` is the tolerance as a log-ratio: a slowdown must be clear of it too. None
    with fewer than 3 rounds.
    """
    smallest = reach(values, schedule)
    return None if smallest is None else max(smallest, limit + CLEAR * _spread(values))


def reach(values: Sequence[float], schedule: Plan) -> float | None:
    """Smallest true log-ratio that nine trials in ten would tell from no change within the planned rounds.

    Noether's normal approximation for signed ranks (1987) holds for small shifts and a known spread. Here shifts are
    about as large as the spread, where ranks gain little from them: hence `SATURATION`.
    """
    if len(values) < FEWEST_ROUNDS_SPREAD:
        return None
    normal = NormalDist()
    standard_errors = -normal.inv_cdf(schedule.level / 2) - normal.inv_cdf(1 - POWER)
    return SATURATION * standard_errors * _spread(values) * math.sqrt(math.pi / 3 / schedule.rounds)


def _spread(values: Sequence[float]) -> float:
    """Return the standard deviation from the median distance of all pairs (Shamos 1976), on the safe side.

    A spread of few rounds is itself uncertain. Power that is lost where it comes out too small is more than what is
    gained where it comes out too large: `2 / rounds` makes up for that.
    """
    distances = [abs(one - other) for one, other in combinations(values, 2)]
    return 1.0483 * median(distances) * (1 + 2 / len(values))
