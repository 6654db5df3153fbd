"""One benchmark in one round, as data: its bursts on both sides, how it ended there, and what follows from them."""

from __future__ import annotations

import math
import os
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paceline.config.options import SIDES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paceline.gate.worker.messages import Message

FEWEST_PAIRS = 3
WITHIN = 0.25  # of the tolerance: a standard error within a round that is small next to that between processes
BUSY = 0.98  # share of the wall time that a benchmark must run or be ready to run, else it waits for something
ALONE = 1.02  # CPU time of the process over that of its thread: above this, other threads work for the benchmark
PASSED = frozenset({"passed", "xfailed"})  # outcomes of a test that ran to its end


@dataclass(frozen=True)
class End:
    """How a test ended on one side.

    `outcome`: passed, failed, skipped, xfailed, unused (never called the fixture), crashed, hung, cut (the gate
    gave it no more time), missing (not collected), or value (it is not timed, and gave `value`). `foreign`: modules
    of another tree, with their files. `origin`: see `origin.own_code`. `spoilt`: it lowered its process's limits, so
    later tests there may fail.
    """

    outcome: str
    reason: str | None = None
    version: str | None = None
    foreign: tuple[tuple[str, str], ...] = ()
    origin: Mapping[str, Sequence[str]] = field(default_factory=dict)
    value: float | None = None
    unit: str | None = None
    spoilt: bool = False


@dataclass(frozen=True)
class Timing:
    """One side's burst, in nanoseconds. `waits`: how often its thread gave up the CPU by itself; None if unknown."""

    wall: int
    process: int
    thread: int
    queued: int
    waits: int | None
    children: bool
    iterations: int
    passed: int = 0  #: nanoseconds by the gate's own clock, from the command to the answer; 0 if unknown

    def seconds(self, clock: str) -> float:
        """Return seconds per call by a clock, cpu or wall."""
        return (self.process if clock == "cpu" else self.wall) / self.iterations / 1e9

    @property
    def busy(self) -> float:
        """Share of the wall time in which the benchmark was running or ready to run."""
        return 1.0 if self.waits == 0 else (self.thread + self.queued) / self.wall


Burst = dict[str, Timing]  # by side


@dataclass(frozen=True)
class Recipe:
    """How a benchmark is timed in every round, the same for both sides. `cold`: its first call counts."""

    calls: int
    pairs: int
    clock: str
    cold: bool


@dataclass(frozen=True)
class Sampling:
    """How often the sides are sampled in turn in one round, and for how many calls each time.

    `counted`: the calls of each function are counted too, twice, if the benchmark may be called often enough.
    """

    recipe: Recipe
    calls: int
    bursts: int
    counted: bool = False
    spy: str | None = None  #: path of py-spy, which then watches one more burst


@dataclass
class Visit:
    """One benchmark in one round. `clock`: the one that fits its bursts on free CPUs; wall without such bursts."""

    ends: dict[str, End] = field(default_factory=dict)
    recipe: Recipe | None = None
    bursts: list[Burst] = field(default_factory=list)
    clock: str = "wall"
    is_bare: bool = False  #: the bursts are calls alone, without setups in between that are not timed
    samples: list[dict[str, Message]] = field(default_factory=list)  #: by side, of each sampled burst
    counts: list[dict[str, Message]] = field(default_factory=list)  #: by side, of each pass that counts calls
    memory: dict[str, Message] = field(default_factory=dict)  #: by side, see `Pair.weigh`
    stacks: dict[str, str] = field(default_factory=dict)  #: by side, as py-spy writes them
    unwatched: str = ""  #: why py-spy could not watch

    @property
    def is_complete(self) -> bool:
        """Whether both sides were timed and ran to their end."""
        ended = [self.ends[side].outcome for side in SIDES if side in self.ends]
        return bool(self.bursts) and len(ended) == len(SIDES) and PASSED.issuperset(ended)

    @property
    def is_cut(self) -> bool:
        """Whether the gate ended it for lack of time, so that it has no result."""
        return any(end.outcome == "cut" for end in self.ends.values())

    def log_ratio(self, clock: str) -> float | None:
        """Round value: median over bursts of log(head / base); None if the clock stood still."""
        usable = self._log_ratios(clock)
        return statistics.median(usable) if usable else None

    def _log_ratios(self, clock: str) -> list[float]:
        pairs = [(pair["head"].seconds(clock), pair["base"].seconds(clock)) for pair in self.bursts]
        return [math.log(head / base) for head, base in pairs if head > 0 and base > 0]

    def distances(self, clock: str) -> list[float]:
        """Return how far each burst's log-ratio lies from the round value; the same with the sides swapped."""
        ratios = self._log_ratios(clock)
        return [abs(ratio - statistics.median(ratios)) for ratio in ratios]

    def gates_log_ratio(self) -> float | None:
        """Return the round value by the gate's own clock; None if the bursts are more than timed calls."""
        pairs = [(pair["head"].passed, pair["base"].passed) for pair in self.bursts]
        usable = [math.log(head / base) for head, base in pairs if head > 0 and base > 0]
        return statistics.median(usable) if usable and self.is_bare else None

    def base_seconds(self, clock: str) -> float:
        """Return base's median seconds per call."""
        return statistics.median(pair["base"].seconds(clock) for pair in self.bursts)


def needed_pairs(distances: Sequence[float], tolerance: float) -> int:
    """Return how many pairs of bursts, at least 3, make the error of their median small next to the tolerance.

    `distances` are those of the rounds so far. The rule keeps the sign-flip tests exact. A swap of the sides in any
    of these rounds turns its log-ratios around, and their median, and leaves every distance between them. So it
    changes neither the pairs nor a later round, and each round's sign is a fair coin, given the sizes of all.
    """
    spread = 1.4826 * statistics.median(distances)
    needed = math.ceil(math.pi / 2 * (spread / (WITHIN * math.log1p(tolerance))) ** 2)  # pi / 2: of a median
    return max(FEWEST_PAIRS, needed)


def choose_clock(bursts: Sequence[Burst]) -> str:
    """Return `cpu` if CPU time misses nothing, else `wall`. `bursts` are of one round, on free CPUs.

    CPU time misses waiting, contention between threads, and child processes. A benchmark that is preempted, or whose
    CPU the hypervisor takes, does not give up its CPU by itself, so a loaded machine does not change the choice.
    CPU time must fit both sides, so the choice is the same with their names swapped.
    """
    if os.name == "nt":
        return "wall"
    for side in bursts[0]:
        timings = [burst[side] for burst in bursts]
        if any(timing.children or timing.thread <= 0 or timing.wall <= 0 for timing in timings):
            return "wall"
        busy = statistics.median(timing.busy for timing in timings)
        alone = statistics.median(timing.process / timing.thread for timing in timings)
        if busy < BUSY or alone > ALONE:
            return "wall"
    return "cpu"
