"""Screening: the first rounds choose the suspects, and fresh rounds alone confirm them, at a level that few share.

A p-value of n rounds is never below 2**-n, so a level that all benchmarks share makes `slower` wait for more rounds
in a larger suite. From 50 benchmarks on, only half of alpha is shared by all, for tests on all rounds. The other half
goes to a pool: each benchmark pays in its part when its first three rounds are over, or when it is decided earlier.
The suspects among those that have just paid divide the pool. A suspect was slower by more than the tolerance in every
round so far; ordered by the least of its values, the k-th suspect gets 1/k of what the first gets. At that level each
is tested on the rounds to come, in addition to the test on all of its rounds.

This keeps the false-alarm rate, whatever the noise looks like. Take a benchmark whose code is unchanged. Given all
that has happened to any benchmark so far, its level is a number, and the coins of its next rounds have not been
tossed: each sign to come is a fair coin. So the chance that its fresh rounds call it slower is at most that level,
however it was chosen, and however benchmarks of one process depend on each other. The levels that the pool pays never
add up to more than half of alpha, so neither do these chances. The tests on all rounds add the other half at most.
docs/explanation/rounds.md has the long form, and the plans that were tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paceline.gate.sequential import plan
from paceline.gate.verdict import CLOCK_ROUNDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paceline.gate.verdict import Benchmark

SCREENED = CLOCK_ROUNDS  # rounds: as soon as the clock, and so every earlier value, is settled
FEWEST = 50  # benchmarks: in a smaller suite a level that all share lets `slower` come as early
KEPT = 0.5  # of alpha, for tests on all rounds


def kept(alpha: float, entered: int) -> float:
    """Return the level of each benchmark's tests on all of its rounds."""
    return alpha * (KEPT if entered >= FEWEST else 1.0) / max(1, entered)


def divided(pool: float, suspects: int) -> list[float]:
    """Divide a level among suspects, the most suspicious first: the k-th gets 1/k of what the first gets."""
    total = sum(1 / place for place in range(1, suspects + 1))
    return [pool / total / place for place in range(1, suspects + 1)]


class Screening:
    """The benchmarks that are still to be screened, and the pool of those that were."""

    def __init__(self, alpha: float, benchmarks: Iterable[Benchmark]) -> None:
        self._waiting = list(benchmarks)
        entered = len(self._waiting)
        self._given = alpha / max(1, entered) - kept(alpha, entered)
        self._most = self._given * entered
        self._pool = 0.0

    def update(self) -> None:
        """Take what the rounds so far say of each benchmark; to be called between rounds."""
        done = [each for each in self._waiting if _is_done(each)]
        self._waiting = [each for each in self._waiting if not _is_done(each)]
        self._pool += self._given * len(done)
        suspects = sorted((each for each in done if each.least_excess > 0), key=lambda each: -each.least_excess)
        if suspects and self._pool:
            for suspect, level in zip(suspects, divided(self._pool, len(suspects)), strict=True):
                suspect.confirm(level)
            self._pool = 0.0

    def rounds_to_slower(self, benchmarks: Iterable[Benchmark]) -> int:
        """Return after how many rounds `slower` can come for all of these, each if it is the only suspect."""
        all_rounds = max(each.plan.looks[0] for each in benchmarks)
        return min(all_rounds, SCREENED + plan(self._most).looks[0]) if self._most else all_rounds


def _is_done(benchmark: Benchmark) -> bool:
    return benchmark.verdict is not None or len(benchmark.values) >= SCREENED
