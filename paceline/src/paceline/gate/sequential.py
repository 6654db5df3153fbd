"""Exact sequential tests on round values, for any noise.

A round value is the log of head's time over base's in one fresh pair of processes. Which process ran which
side was drawn by fair coins, so on identical work each value's sign is a fair coin too, given all the sizes.
Every level below follows from that alone: no normality, no equal variances, no independent sizes are assumed.
Probabilities are counts of sign vectors, in Python's whole numbers: exact for any number of rounds.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from operator import sub
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK_OFFSETS = (0, 3, 6, 10, 15, 20)  # in rounds after the first look
# Of the level, spent by each look: up to half at the first, for a gross slowdown, and the rest for small ones.
SHARES = (0.5, 0.55, 0.6, 0.7, 0.82, 1.0)
EARLIEST_LOOK = 5  # in rounds: 2**-5, the smallest p-value there, is the first below 5 %


class Direction(Enum):
    """Which way the sign-flip tests found head to differ from base."""

    SLOWER = "slower"
    FASTER = "faster"


def signed_ranks(values: Sequence[float]) -> list[int]:
    """Twice the average rank of each |value|; zeros are dropped (rank 0), as in Wilcoxon's own procedure."""
    sizes = sorted(abs(value) for value in values if value)
    return [bisect_left(sizes, abs(value)) + 1 + bisect_right(sizes, abs(value)) if value else 0 for value in values]


def signs_only(values: Sequence[float]) -> list[int]:
    """One for each value that is not zero: the scores of the plain sign test."""
    return [int(value != 0) for value in values]


def negative_sum(values: Sequence[float], scores: Sequence[int]) -> int:
    """Sum of the scores of the negative values: small when head is slower."""
    return sum(score for value, score in zip(values, scores, strict=True) if value < 0)


def count_by_sum(scores: Sequence[int]) -> list[int]:
    """Of all 2**n sign vectors, how many have a negative sum of 0, 1, 2, ..., the sum of all scores."""
    return _tossed(1, scores, len(scores), sum(scores))


def _count_both(before: Sequence[int], now: Sequence[int], bound: int) -> list[int]:
    """How many sign vectors have a negative sum of at most `bound` at the earlier look, by their sum at this one."""
    bits = _bits(len(now))
    laws = [1] + [0] * bound  # by the sum at the earlier look
    for earlier, later in zip(before, now[: len(before)], strict=True):
        for at in range(bound, earlier - 1, -1):
            if laws[at - earlier]:
                laws[at] += laws[at - earlier] << bits * later
    return _tossed(sum(laws), now[len(before) :], len(now), sum(now))


def _tossed(law: int, scores: Sequence[int], rounds: int, most: int) -> list[int]:
    """Toss a coin for each score and return the counts by sum, 0 to `most`.

    A law is the generating polynomial of its counts at x = 2**bits: all of them in one number, so that one shift
    and one addition toss a coin.
    """
    bits = _bits(rounds)
    for score in scores:
        law += law << bits * score
    size = bits // 8
    packed = law.to_bytes(size * (most + 1), "little")
    return [int.from_bytes(packed[at : at + size], "little") for at in range(0, len(packed), size)]


def _bits(rounds: int) -> int:
    """Whole bytes that hold any count of sign vectors, 2**rounds included."""
    return 8 * (rounds // 8 + 1)


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
    first = max(EARLIEST_LOOK, math.ceil(-math.log2(SHARES[0] * half)))
    looks = tuple(first + offset for offset in LOOK_OFFSETS)
    return Plan(level, looks, tuple(share * half for share in SHARES))


@dataclass
class _Boundary:
    """One test's boundary: reject at a look if the negative sum is at most `bounds[-1]` (-1: never).

    `spent` is a count of sign vectors, of the 2**len(scores) at the last look.
    """

    bounds: list[int] = field(default_factory=list)
    spent: int = 0
    scores: Sequence[int] = ()

    def look(self, scores: Sequence[int], spendable: float, least: int) -> int:
        """Place this look's bound as high as the level allows; a bound below `least` spends nothing and is -1.

        Spent is the sum over looks of P(reject now and not at the look before), which is at least the
        probability ever to reject: exact for the first two looks, on the safe side afterwards.
        """
        self.spent <<= len(scores) - len(self.scores)
        new = count_by_sum(scores)
        if self.bounds and self.bounds[-1] >= 0:
            new = list(map(sub, new, _count_both(self.scores, scores, self.bounds[-1])))
        new = list(accumulate(new))
        allowed = math.floor(math.ldexp(spendable, len(scores))) - self.spent
        bound = bisect_right(new, allowed) - 1
        bound = -1 if bound < least else bound
        self.bounds.append(bound)
        self.spent += new[bound] if bound >= 0 else 0
        self.scores = scores
        return bound

    @property
    def probability(self) -> float:
        """Of having rejected by now, at most."""
        return self.spent / (1 << len(self.scores))


@dataclass
class Monitor:
    """One benchmark's group-sequential trial: signed ranks and plain signs, each at half the level.

    The one has the power, the other shrugs off gross outliers: it pays for one at least, as where no value is
    negative signed ranks reject too. Boundaries depend on the sizes of values and
    never on their signs, so it holds for either direction; each direction has the whole level to itself.
    Sources: Wilcoxon 1945; Lan and DeMets 1983 (alpha spending).
    """

    plan: Plan
    found: Direction | None = None
    _looked: int = 0
    _rank: _Boundary = field(default_factory=_Boundary)
    _sign: _Boundary = field(default_factory=_Boundary)

    def update(self, values: Sequence[float]) -> Direction | None:
        """Take every look that is planned for these values (all rounds, in order) and return the result."""
        while self._looked < len(self.plan.looks) and self.plan.looks[self._looked] <= len(values):
            rounds = self.plan.looks[self._looked]
            self._look(values[:rounds], self.plan.spendable[self._looked])
            self._looked += 1
        return self.found

    @property
    def spent(self) -> float:
        """Upper bound of the probability to have rejected by now, in one direction, on identical work."""
        return self._rank.probability + self._sign.probability

    @property
    def bounds(self) -> tuple[int, ...]:
        """Per look, the largest sum of (doubled) ranks of negative values at which signed ranks reject."""
        return tuple(self._rank.bounds)

    def _look(self, values: Sequence[float], spendable: float) -> None:
        mirrored = [-value for value in values]
        for boundary, score, least in ((self._rank, signed_ranks, 0), (self._sign, signs_only, 1)):
            scores = score(values)
            bound = boundary.look(scores, spendable, least)
            if self.found is None and negative_sum(values, scores) <= bound:
                self.found = Direction.SLOWER
            elif self.found is None and negative_sum(mirrored, scores) <= bound:
                self.found = Direction.FASTER
