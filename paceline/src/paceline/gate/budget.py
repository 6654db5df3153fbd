"""Which benchmarks get the next round, so that the budget goes where it decides.

What is dear to time or to import waits until the cheap are decided, and where time is short the suspicious go
first, then what takes the least time to a verdict.

This leaves the sign-flip tests exact. Who is in a round is settled before its coins are tossed, from earlier
rounds and measured costs, so every sign stays a fair coin. A benchmark's own values can only end it, never put
it off: it loses later looks and gains none, so giving it up can only lower the rate of false alarms. What waits,
or is cut, does so for its cost: the time of both sides together, or of the slower one, which is the same with their
names swapped; what importing took in head's survey was known before any coin.
A visit in which a side fails or is killed has no value, whichever side it was, and no value decides to try it again.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paceline.gate.sequential import EARLIEST_LOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from paceline.gate.verdict import Benchmark

FIRST = 0.7  # of a first visit, or a first pair, is what the next will take: the first finds recipes, and compiles
CUT = 2.0  # times what a visit was given before it was cut is what it is taken to need
PATIENCE = 3.0  # times what a visit usually takes, then it is cut
FEWEST = EARLIEST_LOOK  # rounds that the quickest verdict takes
HOPE = 0.7  # of the rounds to a verdict must fit, if nobody could use the time otherwise: load may pass
GUESS = 0.25  # seconds of timing a benchmark, where none has been timed yet


@dataclass
class Costs:
    """What was measured: seconds of wall time, of both sides together."""

    _pairs: list[float] = field(default_factory=list)
    _files: dict[str, list[float]] = field(default_factory=dict)
    _visits: dict[str, list[float]] = field(default_factory=dict)
    _at_least: dict[str, float] = field(default_factory=dict)
    _usual: float | None = None  # of those that were timed, until the next is
    explored: float = 0.0  #: first visits together, those that were cut too

    @property
    def pair(self) -> float:
        """Return what starting a pair of processes takes, without the files of benchmarks that it imports."""
        return _typical(self._pairs)

    def add_pair(self, seconds: float, files: Mapping[str, float]) -> None:
        """Note what a pair took without its benchmarks, and how much of that were files."""
        self._pairs.append(max(0.0, seconds - sum(files.values())))
        self.add_files(files)

    def add_files(self, seconds: Mapping[str, float]) -> None:
        """Note what importing files took."""
        for file, taken in seconds.items():
            self._files.setdefault(file, []).append(taken)

    def file(self, file: str) -> float:
        """Return what importing a file takes."""
        return _typical(self._files.get(file, ()))

    def pair_of(self, names: Iterable[str]) -> float:
        """Return what a pair for these takes before it times any."""
        return self.pair + sum(map(self.file, {file_of(name) for name in names}))

    def visit(self, name: str) -> float:
        """Return what timing this benchmark takes; of one that nobody knows yet, what others do that were timed."""
        if self.is_known(name):
            return max(_typical(self._visits.get(name, ())), self._at_least.get(name, 0.0))
        if self._usual is None:
            self._usual = statistics.median(map(self.visit, self._visits)) if self._visits else 0.0
        return self._usual

    def allowance(self, name: str) -> float:
        """Return what timing this benchmark may well take; of one that nobody knows yet, what others may."""
        if self.is_known(name):
            return PATIENCE * self.visit(name)
        known = [self.visit(each) for each in {**self._visits, **self._at_least}]
        return statistics.median(known) if known else 0.0

    def add_visit(self, name: str, seconds: float) -> None:
        """Note what timing this benchmark took."""
        self._explore(name, seconds)
        self._visits.setdefault(name, []).append(seconds)

    def add_cut(self, name: str, seconds: float) -> None:
        """Note that timing this benchmark would have taken longer than this."""
        self._explore(name, seconds)
        self._at_least[name] = CUT * seconds

    def _explore(self, name: str, seconds: float) -> None:
        self._usual = None
        if not self.is_known(name):
            self.explored += seconds

    def was_cut(self, name: str) -> bool:
        """Whether this benchmark was started, but never timed."""
        return name in self._at_least and name not in self._visits

    def is_known(self, name: str) -> bool:
        """Whether this benchmark has been started at all."""
        return name in self._visits or name in self._at_least

    def longest(self, name: str) -> float:
        """Return the most that a round of this benchmark alone has taken, or may take."""
        visits = self._visits.get(name) or [self.visit(name)]
        files = self._files.get(file_of(name), ())
        return max(self._pairs, default=0.0) + max(files, default=0.0) + max(visits)

    def round(self, names: Collection[str]) -> float:
        """Return what a round of these takes."""
        return self.pair_of(names) + sum(map(self.visit, names))


def file_of(name: str) -> str:
    """Return the file of a node id."""
    return name.partition("::")[0]


def _typical(seconds: Sequence[float]) -> float:
    if len(seconds) > 1:
        return statistics.median(seconds[1:])
    return FIRST * seconds[0] if seconds else 0.0


@dataclass
class Budget:
    """The time of a trial. `until` is on the scale of `clock`."""

    until: float
    clock: Callable[[], float] = time.monotonic
    costs: Costs = field(default_factory=Costs)
    _explored: float = 0.0
    _pair: float = 0.0

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.until - self.clock()

    def choose(self, undecided: Mapping[str, Benchmark]) -> tuple[list[str], list[str]]:
        """Return who gets the next round, and who is given up for lack of time.

        Whoever is in neither waits. Nobody in the first means that no verdict is within reach of the time left.
        """
        cheap = self._without_dear(list(undecided))
        benchmarks = {name: undecided[name] for name in cheap}
        chosen = self._affordable(benchmarks) or self._affordable(benchmarks, HOPE)
        lost = [name for name in cheap if name not in chosen]
        if chosen:  # what has no value yet may wait: it has nothing that could speak for or against it
            lost = [name for name in lost if undecided[name].values]
        return chosen, lost

    def _without_dear(self, names: list[str]) -> list[str]:
        """Leave out each that takes longer than a round of all that are cheaper: it could starve them."""
        names = self._without_dear_files(names)
        names.sort(key=self.costs.visit)
        together = self.costs.pair_of(names)
        for place, name in enumerate(names):
            if place and self.costs.visit(name) > together:
                return names[:place]
            together += self.costs.visit(name)
        return names

    def _without_dear_files(self, names: list[str]) -> list[str]:
        """Where time is short, leave out each file whose import takes longer than a round of all others."""
        guess = 0.0 if any(map(self.costs.is_known, names)) else GUESS
        if FEWEST * (self.costs.round(names) + guess * len(names)) <= self.left:
            return names
        files: dict[str, list[str]] = {}
        for name in names:
            files.setdefault(file_of(name), []).append(name)
        kept: list[str] = []
        for file in sorted(files, key=self.costs.file):
            if kept and self.costs.file(file) > self.costs.round(kept) + guess * len(kept):
                break
            kept += files[file]
        return kept

    def _affordable(self, benchmarks: Mapping[str, Benchmark], part: float = 1.0) -> list[str]:
        """Return those that can be brought to a verdict together: the suspicious first, then what takes least time.

        `part`: of the rounds that a verdict needs, must fit into the time left. As long as a single round of it fits,
        a suspicious one stays, as it may still turn out to be harmless, and so does one that was cut before it had
        shown what it takes, as it may hang.
        """
        left, costs = self.left, self.costs
        most, visits = 0.0, 0.0
        chosen: list[str] = []
        pair, files = costs.pair, set[str]()
        in_file = Counter(map(file_of, benchmarks))

        def rank(name: str) -> tuple[float, float]:
            benchmark, file = benchmarks[name], file_of(name)
            a_round = costs.visit(name) + costs.file(file) / in_file[file]
            return -max(0.0, benchmark.suspicion), a_round * benchmark.rounds_wanted

        for name in sorted(benchmarks, key=rank):
            benchmark, cost = benchmarks[name], costs.visit(name)
            needed = max(1, part * benchmark.rounds_wanted)
            wanted = [needed, *([1] if benchmark.suspicion >= 0 or costs.was_cut(name) else [])]
            with_file = pair + (0.0 if file_of(name) in files else costs.file(file_of(name)))
            for rounds in wanted:
                if with_file * max(most, rounds) + visits + cost * rounds <= left and left > 0:
                    most, visits, pair = max(most, rounds), visits + cost * rounds, with_file
                    files.add(file_of(name))
                    chosen.append(name)
                    break
        return chosen

    def begin_round(self, names: Collection[str]) -> None:
        """Note what was explored before this round, and what a pair for it takes."""
        self._explored = self.costs.explored
        self._pair = self.costs.pair_of(names)

    def may_visit(self, name: str) -> bool:
        """Whether this round may time it: unknown ones together may cost no more rounds than any verdict takes."""
        pair, taken = self._pair, self.costs.explored - self._explored
        return self.costs.is_known(name) or taken < max((self.left + taken) / FEWEST - pair, 2 * pair)

    def share(self, name: str, undecided: int) -> float:
        """Return the seconds that a benchmark may take: an equal share of those left, or more if that is short."""
        return min(self.left, max(self.left / undecided, self.costs.allowance(name), self._pair))

    def forecast(self, undecided: Mapping[str, Benchmark], slower: int, budget: float) -> str:
        """Say after the first round what all will take; `slower`: rounds that the quickest red verdict takes."""
        cheap = self._without_dear(list(undecided))
        a_round = self.costs.round(cheap)
        same = FEWEST
        many = "1 benchmark needs" if len(cheap) == 1 else f"{len(cheap)} benchmarks need"
        dear = [name for name in undecided if name not in cheap]
        waiting = f"; {len(dear)} more wait, at {duration(self.costs.round(dear))} a round" if dear else ""
        return (
            f"a round takes {duration(a_round)}; {many} {same} for `same` and {slower} for `slower`: about"
            f" {duration(same * a_round)} to {duration(slower * a_round)}, budget {duration(budget)}"
            f" (--benchmark-budget){waiting}"
        )


def duration(seconds: float) -> str:
    """Write a length of time with as many digits as anybody needs: 0.4 s, 48 s, 13 min."""
    for limit, shown in ((10, f"{max(seconds, 0.1):.1f} s"), (120, f"{seconds:.0f} s")):
        if seconds < limit:
            return shown
    return f"{seconds / 60:.0f} min"
