"""Exact inference on round values, whatever the noise looks like.

A round value is the log of head's time over base's in one fresh pair of processes. Which process ran which
side was drawn by fair coins, so on identical work each value's sign is a fair coin too, given all the sizes.
Every level below follows from that alone: no normality, no equal variances, no independent sizes are assumed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

LOOK_OFFSETS = (0, 2, 4, 8, 12, 18)  # in rounds after the first look
# Of the level, spent by each look: enough at the first for a gross slowdown, most at the last for small ones.
SHARES = (0.25, 0.32, 0.42, 0.55, 0.75, 1.0)
MIN_ROUNDS_SPREAD = 3  # two values have a distance, not a spread
MIN_ROUNDS_UPPER = 5  # 2**-5 is the first floor below 5 %
MIN_ROUNDS_INTERVAL = 6  # 2 * 2**-6 is the first floor below 5 %


class Direction(Enum):
    """Which way the sign-flip tests found head to differ from base."""

    SLOWER = "slower"
    FASTER = "faster"


def signed_ranks(values: Sequence[float] | Floats) -> Counts:
    """Twice the average rank of each |value|; zeros are dropped (rank 0), as in Wilcoxon's own procedure."""
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    ranks = np.zeros(sizes.shape, dtype=np.int64)
    nonzero = sizes > 0
    if nonzero.any():
        ranks[nonzero] = np.rint(2 * stats.rankdata(sizes[nonzero])).astype(np.int64)
    return ranks


def signs_only(values: Sequence[float] | Floats) -> Counts:
    """One for each value that is not zero: the scores of the plain sign test."""
    nonzero: Counts = (np.asarray(values, dtype=np.float64) != 0).astype(np.int64)
    return nonzero


def negative_sum(values: Sequence[float] | Floats, scores: Counts) -> int:
    """Sum of the scores of the negative values: small when head is slower."""
    return int(scores[np.asarray(values) < 0].sum())


def lower_tail(scores: Counts, bound: int) -> float:
    """P(sum of the scores with a negative sign <= bound) when each sign is a fair coin. Exact."""
    return float(_law(scores, int(scores.sum()))[: max(0, bound + 1)].sum())


def signed_rank_p(values: Sequence[float] | Floats) -> float:
    """One-sided p-value of the signed-rank test that head is slower (values > 0), exact with ties too."""
    scores = signed_ranks(values)
    return lower_tail(scores, negative_sum(values, scores))


def sign_p(values: Sequence[float] | Floats) -> float:
    """One-sided p-value of the sign test that head is slower (values > 0), exact."""
    scores = signs_only(values)
    return lower_tail(scores, negative_sum(values, scores))


def _law(scores: Counts, cap: int) -> Floats:
    """Probabilities of a negative sum of 0, 1, ..., cap. Dyadic, so exact in floats up to some 50 values."""
    law = np.zeros(cap + 1)
    law[0] = 1.0
    return _toss(law, scores)


def _toss(law: Floats, scores: Counts) -> Floats:
    """Add each score to the negative sum with probability 1/2; what leaves the array is forgotten."""
    for score in scores:
        shifted = np.zeros_like(law)
        if score < law.size:
            shifted[score:] = law[: law.size - score]
        law = (law + shifted) / 2
    return law


def _joint_law(before: Counts, now: Counts, before_cap: int, now_cap: int) -> Floats:
    """P(negative sum <= before_cap at the earlier look, and = 0, 1, ..., now_cap at this one)."""
    law = np.zeros((before_cap + 1, now_cap + 1))
    law[0, 0] = 1.0
    for earlier, later in zip(before, now[: before.size], strict=True):
        shifted = np.zeros_like(law)
        if earlier <= before_cap and later <= now_cap:
            shifted[earlier:, later:] = law[: before_cap + 1 - earlier, : now_cap + 1 - later]
        law = (law + shifted) / 2
    return _toss(law.sum(axis=0), now[before.size :])


@dataclass(frozen=True)
class Plan:
    """When to look (after how many rounds), and how much of the level may be spent by each look."""

    level: float
    looks: tuple[int, ...]
    spendable: tuple[float, ...]

    @property
    def rounds(self) -> int:
        """Rounds after which an undecided benchmark stays undecided."""
        return self.looks[-1]


def plan(level: float) -> Plan:
    """Place the looks of two one-sided tests that share `level`, the false-alarm rate of one benchmark.

    No p-value is below 2**-rounds, so the first look comes where that floor fits into the first share of a
    test's half of the level; later looks follow it. Raises ValueError unless 0 < level < 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    half = level / 2
    first = max(MIN_ROUNDS_UPPER, math.ceil(-math.log2(SHARES[0] * half)))
    looks = tuple(first + offset for offset in LOOK_OFFSETS)
    return Plan(level, looks, tuple(share * half for share in SHARES))


@dataclass
class _Boundary:
    """One test's boundary: reject at a look if the negative sum is at most `bounds[-1]` (-1: never)."""

    bounds: list[int] = field(default_factory=list)
    spent: float = 0.0
    scores: Counts = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def look(self, scores: Counts, spendable: float) -> int:
        """Place this look's bound as high as the level allows.

        Spent is the sum over looks of P(reject now and not at the look before), which is at least the
        probability ever to reject: exact for the first two looks, on the safe side afterwards.
        """
        marginal = _law(scores, int(scores.sum())).cumsum()
        both = np.zeros_like(marginal)
        if self.bounds and self.bounds[-1] >= 0:
            earlier = lower_tail(self.scores, self.bounds[-1])
            cap = int(np.searchsorted(marginal, spendable + earlier, side="right"))
            both[: cap + 1] = _joint_law(self.scores, scores, self.bounds[-1], min(cap, marginal.size - 1)).cumsum()
            both[cap + 1 :] = -np.inf  # never chosen: already the part that is new exceeds the level
        new = marginal - both
        bound = int(np.searchsorted(new, spendable - self.spent, side="right")) - 1
        self.bounds.append(bound)
        self.spent += float(new[bound]) if bound >= 0 else 0.0
        self.scores = scores
        return bound


@dataclass
class Monitor:
    """One benchmark's group-sequential trial: signed ranks and plain signs, each at half the level.

    The one has the power, the other shrugs off gross outliers. Boundaries depend on the sizes of values and
    never on their signs, so it holds for either direction; each direction has the whole level to itself.
    Sources: Wilcoxon 1945; Lan and DeMets 1983 (alpha spending).
    """

    plan: Plan
    found: Direction | None = None
    _looked: int = 0
    _rank: _Boundary = field(default_factory=_Boundary)
    _sign: _Boundary = field(default_factory=_Boundary)

    def update(self, values: Sequence[float] | Floats) -> Direction | None:
        """Take every look that is due for these values (all rounds, in order) and return what was found."""
        while self._looked < len(self.plan.looks) and self.plan.looks[self._looked] <= len(values):
            rounds = self.plan.looks[self._looked]
            self._look(np.asarray(values[:rounds], dtype=np.float64), self.plan.spendable[self._looked])
            self._looked += 1
        return self.found

    @property
    def spent(self) -> float:
        """Upper bound of the probability to have rejected by now, in one direction, on identical work."""
        return self._rank.spent + self._sign.spent

    @property
    def bounds(self) -> tuple[int, ...]:
        """Per look, the largest sum of (doubled) ranks of negative values at which signed ranks reject."""
        return tuple(self._rank.bounds)

    def _look(self, values: Floats, spendable: float) -> None:
        for boundary, score in ((self._rank, signed_ranks), (self._sign, signs_only)):
            scores = score(values)
            bound = boundary.look(scores, spendable)
            if self.found is None and negative_sum(values, scores) <= bound:
                self.found = Direction.SLOWER
            elif self.found is None and negative_sum(-values, scores) <= bound:
                self.found = Direction.FASTER


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


def walsh_averages(values: Sequence[float] | Floats) -> Floats:
    """Means of all pairs, each value with itself included, ascending."""
    array = np.asarray(values, dtype=np.float64)
    first, second = np.triu_indices(array.size)
    averages: Floats = np.sort((array[first] + array[second]) / 2)
    return averages


def estimate(values: Sequence[float] | Floats) -> Estimate:
    """Hodges-Lehmann estimate and the bounds that invert the signed-rank test (Hollander, Wolfe 1999, 3.3).

    Raises ValueError without values.
    """
    if len(values) == 0:
        raise ValueError("no rounds, so nothing to estimate")
    averages = walsh_averages(values)
    two_sided = _outermost(len(values), 0.025)
    one_sided = _outermost(len(values), 0.05)
    return Estimate(
        value=float(np.median(averages)),
        low=None if two_sided is None else float(averages[two_sided]),
        high=None if two_sided is None else float(averages[-1 - two_sided]),
        upper=None if one_sided is None else float(averages[-1 - one_sided]),
    )


@lru_cache(maxsize=256)
def _outermost(rounds: int, tail: float) -> int | None:
    """How many of the outermost Walsh averages may be left out on one side; None if not even 0."""
    cumulative = _law(np.arange(1, rounds + 1), rounds * (rounds + 1) // 2).cumsum()
    left_out = int(np.searchsorted(cumulative, tail, side="right")) - 1
    return None if left_out < 0 else left_out


def detectable(values: Sequence[float] | Floats, schedule: Plan) -> float | None:
    """Smallest true log-ratio that nine trials in ten would tell from no change within the planned rounds.

    A guide, which no test uses: a normal approximation from the spread of these rounds, with Wilcoxon's
    efficiency of 3/pi, at the level of one test. None with fewer than 3 rounds.
    """
    if len(values) < MIN_ROUNDS_SPREAD:
        return None
    array = np.asarray(values, dtype=np.float64)
    centre = float(np.median(walsh_averages(array)))
    spread = _spread(array - centre)
    reach = float(stats.norm.isf(schedule.level / 2) + stats.norm.isf(0.1))
    return reach * spread * math.sqrt(math.pi / 3 / schedule.rounds)


def _spread(residuals: Floats) -> float:
    """Median absolute deviation, scaled to a standard deviation (small samples: Croux, Rousseeuw 1992)."""
    rounds = residuals.size
    return float(1.4826 * np.median(np.abs(residuals)) * rounds / max(1.0, rounds - 0.8))
