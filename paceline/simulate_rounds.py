"""Simulate the gate's rounds under several ways to share alpha: the tables of docs/explanation/rounds.md.

Not part of the distribution: it needs NumPy. `power` shows how often slowdowns are found, and after how many rounds;
`level` how often unchanged code is called slower; `shards` the same of a suite that several machines judge. They take
minutes. The tests are the gate's own; rounds are drawn, with effects of the process that all its benchmarks share.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from paceline.config.shard import Shard
from paceline.gate import screening, sequential
from paceline.gate.estimates import detectable, reach
from paceline.gate.sequential import EARLIEST_LOOK, Direction, Monitor, Plan, plan
from paceline.gate.verdict import HOPELESS
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

LIMIT = math.log1p(0.03)  # the tolerance
MOST_ROUNDS = 80
OFF = 0.03  # of all values are off by half
SLOW_LIVES = 0.02  # of all processes are off by a tenth
UNDECIDED, SAME, SLOWER, UNSURE = range(4)


# ---- ways to share alpha


def all_share(level: float) -> Plan:
    """Return the plan before: its first look came a round later."""
    half = level / 2
    first = max(EARLIEST_LOOK, math.ceil(-math.log2(0.25 * half)))
    shares = (0.25, 0.32, 0.42, 0.55, 0.75, 1.0)
    looks = tuple(first + offset for offset in (0, 2, 4, 8, 12, 18))
    return Plan(level, looks, tuple(share * half for share in shares))


def equally(pool: float, suspects: int) -> list[float]:
    """Divide a level among suspects, the same for each."""
    return [pool / suspects] * suspects


@dataclass(frozen=True)
class Scheme:
    """`kept` of alpha is for tests on all rounds; those that `screened` rounds make suspects divide the rest.

    In a suite smaller than `fewest` all of alpha is kept.
    """

    name: str
    kept: float
    screened: int = 0
    lower_bound: float = LIMIT  #: of the values of a suspect
    divide: Callable[[float, int], list[float]] = screening.divided
    plan: Callable[[float], Plan] = plan
    fewest: int = 0

    def for_suite(self, benchmarks: int) -> Scheme:
        """Return what a suite of this size gets."""
        return self if benchmarks >= self.fewest else replace(self, kept=1.0, screened=0)


GATES_OWN = Scheme("suspects of 3, by 1/k (the gate's)", screening.KEPT, screening.SCREENED, fewest=screening.FEWEST)
SCHEMES = [
    Scheme("before: all share", 1.0, plan=all_share),
    Scheme("all share", 1.0),
    Scheme("survivors of 5, equally, fresh only", 0.0, EARLIEST_LOOK, -math.inf, equally),
    Scheme("suspects of 5, equally", 0.5, EARLIEST_LOOK, divide=equally),
    Scheme("suspects of 3, equally", 0.5, screening.SCREENED, divide=equally),
    GATES_OWN,
    Scheme("suspects of 3, by 1/k, keeping a quarter", 0.25, screening.SCREENED),
]


# ---- a gate


@lru_cache(maxsize=256)
def left_out(rounds: int, tail: float) -> int:
    """How many of the outermost Walsh averages a one-sided bound leaves out; -1 if there is no bound."""
    counts = list(accumulate(sequential.count_by_sum(range(1, rounds + 1))))
    return sum(count <= math.ldexp(tail, rounds) for count in counts) - 1


@lru_cache(maxsize=4096)
def single_look(rounds: int, level: float) -> tuple[int, int]:
    """Bounds of both tests if this were the only look: no boundary of several looks is above them."""
    ranks = accumulate(sequential.count_by_sum([2 * rank for rank in range(1, rounds + 1)]))
    signs = accumulate(math.comb(rounds, negative) for negative in range(rounds + 1))
    most = math.ldexp(level, rounds)
    return sum(count <= most for count in ranks) - 1, sum(count <= most for count in signs) - 1


def rejected(values: Floats, schedule: Plan) -> Mask:
    """Say which benchmarks `(n, rounds)` the gate's own tests call slower at the last round's look."""
    rounds = values.shape[1]
    most_ranks, most_signs = single_look(rounds, schedule.spendable[schedule.looks.index(rounds)])
    ranks = np.abs(values).argsort(axis=1).argsort(axis=1) + 1
    negative = values < 0
    may_be = (2 * (ranks * negative).sum(axis=1) <= most_ranks) | (negative.sum(axis=1) <= most_signs)
    found = np.zeros(len(values), dtype=bool)
    for place in np.flatnonzero(may_be):
        found[place] = Monitor(schedule).update(values[place].tolist()) is Direction.SLOWER
    return found


def walsh(values: Floats) -> Floats:
    """Return the means of all pairs of a row's values, ascending."""
    first, second = np.triu_indices(values.shape[1])
    return np.sort((values[:, first] + values[:, second]) / 2, axis=1)


@dataclass
class Gate:
    """Judges rows of round values `(benchmarks, rounds)` as the gate does, but that no `same` waits for `faster`.

    `is_strict`: whatever the tests call slower counts, its estimate may be below the tolerance.
    """

    values: Floats
    scheme: Scheme
    alpha: float
    is_strict: bool = False
    verdicts: NDArray[np.int64] = field(init=False)
    rounds: NDArray[np.int64] = field(init=False)
    covered: Mask = field(init=False)  #: whether the last interval holds zero; from six rounds there is one

    def __post_init__(self) -> None:
        count = len(self.values)
        self.scheme = self.scheme.for_suite(count)
        self.verdicts = np.zeros(count, dtype=int)
        self.rounds = np.zeros(count, dtype=int)
        self.covered = np.ones(count, dtype=bool)
        self._rejected = np.zeros(count, dtype=bool)
        self._all = self.scheme.plan(self.alpha * (self.scheme.kept or 1.0) / count)
        self._fresh: dict[int, Plan] = {}

    def run(self) -> Gate:
        """Take rounds until all is decided."""
        for rounds in range(1, self._all.rounds + 1):
            self._look(rounds)
            if rounds >= EARLIEST_LOOK:
                self._decide(rounds)
            if rounds == self.scheme.screened:
                self._screen(rounds)
        return self

    @property
    def undecided(self) -> NDArray[np.int64]:
        """Return the rows that still get rounds."""
        return np.flatnonzero(self.verdicts == UNDECIDED)

    def _look(self, rounds: int) -> None:
        rows = self.undecided
        if self.scheme.kept and rounds in self._all.looks:
            self._rejected[rows] |= rejected(self.values[rows, :rounds], self._all)
        start = self.scheme.screened
        looking: dict[Plan, list[int]] = defaultdict(list)
        for row in rows:
            if row in self._fresh and rounds - start in self._fresh[row].looks:
                looking[self._fresh[row]].append(row)
        for schedule, some in looking.items():
            self._rejected[some] |= rejected(self.values[some, start:rounds], schedule)

    def _decide(self, rounds: int) -> None:
        rows = self.undecided
        averages = walsh(self.values[rows, :rounds])
        estimates = np.median(averages, axis=1)
        slower = self._rejected[rows] & (self.is_strict | (estimates >= LIMIT))
        same = ~slower & (averages[:, -1 - left_out(rounds, 0.05)] < LIMIT)
        unsure = ~slower & ~same & (self._is_hopeless(rows, estimates, rounds) | (rounds == self._all.rounds))
        if (outermost := left_out(rounds, 0.025)) >= 0:
            self.covered[rows] = (averages[:, outermost] <= 0) & (averages[:, -1 - outermost] >= 0)
        for decided, verdict in ((slower, SLOWER), (same, SAME), (unsure, UNSURE)):
            self.verdicts[rows[decided]] = verdict
        self.rounds[rows] = rounds

    def _is_hopeless(self, rows: NDArray[np.int64], estimates: Floats, rounds: int) -> Mask:
        found = np.zeros(len(rows), dtype=bool)
        if rounds >= self._all.looks[0] and not self.is_strict:
            for place in np.flatnonzero(np.abs(estimates) < LIMIT):
                smallest = reach(self.values[rows[place], :rounds].tolist(), self._all)
                found[place] = smallest is not None and smallest > HOPELESS * LIMIT
        return found

    def _screen(self, rounds: int) -> None:
        rows = self.undecided
        least = self.values[rows, :rounds].min(axis=1)
        suspects = rows[least > self.scheme.lower_bound]
        suspects = suspects[np.argsort(-self.values[suspects, :rounds].min(axis=1))]
        levels = self.scheme.divide(self.alpha * (1 - self.scheme.kept), len(suspects)) if len(suspects) else []
        self._fresh = {int(row): self.scheme.plan(level) for row, level in zip(suspects, levels, strict=True)}


# ---- round values


def rounds_of(rng: np.random.Generator, count: int, spread: float) -> Floats:
    """Draw rounds of unchanged code: half of the variance is the process's, some values are grossly off."""
    shape = (count, MOST_ROUNDS)
    own, process = rng.standard_normal(shape), rng.standard_normal(MOST_ROUNDS)
    off = 0.5 * (rng.random(shape) < OFF) * rng.choice([-1, 1], shape)
    slow_life = 0.1 * (rng.random(MOST_ROUNDS) < SLOW_LIVES) * rng.choice([-1, 1], MOST_ROUNDS)
    drawn: Floats = spread * math.sqrt(0.5) * (own + process) + off + slow_life
    return drawn


def one_coin(rng: np.random.Generator, count: int, spread: float) -> Floats:
    """Draw rounds in which one coin turns all benchmarks the same way; sizes have no variance."""
    sizes = spread * np.abs(rng.standard_t(1.5, (count, MOST_ROUNDS)))
    drawn: Floats = sizes * rng.choice([-1, 1], MOST_ROUNDS)
    return drawn


def opposite(rng: np.random.Generator, count: int, spread: float) -> Floats:
    """Draw rounds in which one coin turns the benchmarks as a pattern has it that changes with every round."""
    pattern = np.array([[(row >> at % 8 & 1) * 2 - 1 for at in range(MOST_ROUNDS)] for row in range(count)])
    drawn: Floats = one_coin(rng, count, spread) * pattern
    return drawn


def drifting(rng: np.random.Generator, count: int, spread: float) -> Floats:
    """Draw rounds whose noise grows and shrinks with the load of the day."""
    level = np.exp(np.cumsum(rng.normal(0, 0.4, MOST_ROUNDS)).clip(-2, 2))
    drawn: Floats = level * rounds_of(rng, count, spread)
    return drawn


# ---- tables


def power(arguments: argparse.Namespace) -> Iterator[str]:
    """Say of each scheme how many slowdowns are found, and after how many rounds (median, nine in ten)."""
    titles = " ".join(f"{slowdown:>15.0%}" for slowdown in arguments.slowdown)
    yield f"{'scheme':<42} {'suite':>5} {'spread':>6} {titles} {'same':>6}"
    for count in arguments.suite:
        for spread in arguments.spread:
            for scheme in SCHEMES:
                gates = max(10, arguments.gates // max(1, count // 100))
                found = [
                    chances(scheme, count, spread, slowdown, (gates, arguments.slow, arguments.seed))
                    for slowdown in arguments.slowdown
                ]
                shown = " ".join(f"{text:>15}" for text, _ in found)
                same = np.mean([others for _, others in found])
                yield f"{scheme.name:<42} {count:>5} {spread:>6.1%} {shown} {same:>6.1%}"


def chances(
    scheme: Scheme, count: int, spread: float, slowdown: float, sample: tuple[int, int, int]
) -> tuple[str, float]:
    """Simulate gates in which the first benchmarks are slower; `sample`: gates, slower benchmarks, seed.

    Returns the share found with its rounds, and the share of `same` among the others.
    """
    gates, slow, seed = sample
    rng = np.random.default_rng(seed)
    found, same = [], 0.0
    for _ in range(gates):
        values = rounds_of(rng, count, spread)
        values[:slow] += math.log1p(slowdown)
        gate = Gate(values, scheme, 0.01).run()
        found += gate.rounds[:slow][gate.verdicts[:slow] == SLOWER].tolist()
        same += (gate.verdicts[slow:] == SAME).mean() / gates
    rounds = ", ".join(f"{number:.0f}" for number in np.quantile(found, (0.5, 0.9))) if found else "-"
    return f"{len(found) / gates / slow:.0%} ({rounds})", same


NOISES = (rounds_of, one_coin, opposite, drifting)


def level(arguments: argparse.Namespace) -> Iterator[str]:
    """Of each scheme and noise: how many gates of unchanged code have a benchmark that the tests call slower."""
    yield f"{'scheme':<42} {'noise':<10} {'gates':>5} {'false':>6} {'at most':>8} {'alpha':>6} {'covered':>8}"
    for noise in NOISES:
        for scheme in SCHEMES:
            rng = np.random.default_rng(arguments.seed)
            alarms, covered, intervals = 0, 0, 0
            for _ in range(arguments.gates):
                gate = Gate(noise(rng, arguments.benchmarks, 0.06), scheme, arguments.alpha, is_strict=True).run()
                alarms += bool((gate.verdicts == SLOWER).any())
                covered += gate.covered[gate.rounds > EARLIEST_LOOK].sum()
                intervals += (gate.rounds > EARLIEST_LOOK).sum()
            yield (
                f"{scheme.name:<42} {noise.__name__:<10} {arguments.gates:>5} {alarms / arguments.gates:>6.1%}"
                f" {at_most(alarms, arguments.gates):>8.1%} {arguments.alpha:>6.0%} {covered / intervals:>8.1%}"
            )


# ---- shards

PER_FILE = 10  # benchmarks


def one_file(rng: np.random.Generator, names: list[str]) -> list[str]:
    """Draw the benchmarks of some file."""
    first = PER_FILE * int(rng.integers(len(names) // PER_FILE))
    return names[first : first + PER_FILE]


def some_files(rng: np.random.Generator, names: list[str]) -> list[str]:
    """Draw files; of each, a share of the benchmarks that is its own."""
    shares = rng.beta(0.5, 0.5, len(names) // PER_FILE + 1)
    return [name for place, name in enumerate(names) if rng.random() < shares[place // PER_FILE]]


def one_shard(rng: np.random.Generator, names: list[str]) -> list[str]:
    """Draw a shard, as if the change knew the hashes: all that it touches is on one machine."""
    return sorted(Shard(int(rng.integers(SHARDS)) + 1, SHARDS).part(names))


def all_of_them(rng: np.random.Generator, names: list[str]) -> list[str]:
    """Return all benchmarks."""
    del rng
    return names


SHARDS = 4
CHANGES = (one_file, some_files, one_shard, all_of_them)
REALLY_SLOWER = 0.1  # of what a change touches


def shards(arguments: argparse.Namespace) -> Iterator[str]:
    """Of each kind of change: how many gates of four shards call a benchmark slower that is not.

    `unshared` is what would happen if each shard had all of alpha: it shows that the simulation can fail.
    """
    yield f"{'change':<12} {'touched':>7} {'gates':>5} {'false':>6} {'at most':>8} {'alpha':>6} {'unshared':>8}"
    names = [f"tests/test_{number // PER_FILE}.py::test_{number}" for number in range(arguments.benchmarks)]
    for change in CHANGES:
        rng = np.random.default_rng(arguments.seed)
        alarms = np.zeros(2, dtype=int)
        touched = 0
        for number in range(arguments.gates):
            chosen = change(rng, names)
            touched += len(chosen)
            alarms += _alarms(rng, NOISES[number % len(NOISES)], names, chosen, arguments.alpha)
        gates = arguments.gates
        yield (
            f"{change.__name__:<12} {touched / gates:>7.0f} {gates:>5} {alarms[0] / gates:>6.1%}"
            f" {at_most(alarms[0], gates):>8.1%} {arguments.alpha:>6.0%} {alarms[1] / gates:>8.1%}"
        )


def _alarms(
    rng: np.random.Generator,
    noise: Callable[[np.random.Generator, int, float], Floats],
    names: list[str],
    touched: list[str],
    alpha: float,
) -> tuple[bool, bool]:
    """Judge every shard on a machine of its own; say whether unchanged code was called slower, shared and not."""
    slower = {name for name in touched if rng.random() < REALLY_SLOWER}
    found = [False, False]
    for shard in (Shard(number + 1, SHARDS) for number in range(SHARDS)):
        part = shard.part(names)  # of all benchmarks, as in a gate: which of them are touched comes later
        entered = sorted(part.intersection(touched), key=lambda name: (name not in slower, name))
        changed = len(slower.intersection(entered))
        if changed == len(entered):
            continue
        values = noise(rng, len(entered), rng.choice((0.02, 0.06)))
        values[:changed] += math.log1p(0.1)
        for way, level in enumerate((shard.share(alpha), alpha)):
            gate = Gate(values, GATES_OWN, level, is_strict=True).run()
            found[way] |= bool((gate.verdicts[changed:] == SLOWER).any())
    return found[0], found[1]


# ---- what the gate says that it would find


def promise(arguments: argparse.Namespace) -> Iterator[str]:
    """Of each suite and spread: how often one gate finds what another, of unchanged code, calls detectable.

    It should be nine of ten. The first gate stops at its verdict, so it knows few rounds.
    """
    yield f"{'suite':>5} {'spread':>6} {'rounds':>6} {'detectable':>10} {'gates':>5} {'found':>6}    95 % interval"
    for count in arguments.suite:
        for spread in arguments.spread:
            rng = np.random.default_rng(arguments.seed)
            pairs = [_promise(rng, count, spread) for _ in range(arguments.gates)]
            rounds, told, found = (np.array(each) for each in zip(*pairs, strict=True))
            low, high = stats.binomtest(int(found.sum()), arguments.gates).proportion_ci()
            yield (
                f"{count:>5} {spread:>6.1%} {np.median(rounds):>6.0f} {np.median(np.expm1(told)):>10.1%}"
                f" {arguments.gates:>5} {found.mean():>6.1%} {low:>6.1%} .. {high:>6.1%}"
            )


def _promise(rng: np.random.Generator, count: int, spread: float, alpha: float = 0.01) -> tuple[int, float, bool]:
    """Return a benchmark's rounds, the log-ratio that its gate calls detectable, and whether another finds it."""
    schedule = plan(screening.kept(alpha, count))
    rows = count if count >= screening.FEWEST else 1  # in a smaller suite the others make no difference
    first, second = rounds_of(rng, rows, spread), rounds_of(rng, rows, spread)
    rounds = int(Gate(first, GATES_OWN, alpha * rows / count).run().rounds[0])
    told = detectable(first[0, :rounds].tolist(), schedule, LIMIT) or 0.0
    second[0] += told
    return rounds, told, bool(Gate(second, GATES_OWN, alpha * rows / count).run().verdicts[0] == SLOWER)


def at_most(alarms: int, gates: int) -> float:
    """Return the exact 95 % upper bound of a rate."""
    return float(stats.beta.ppf(0.95, alarms + 1, gates - alarms)) if alarms < gates else 1.0


def main() -> None:
    """Print a table, a line at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    tables = parser.add_subparsers(required=True)
    one = tables.add_parser("power", help="how often slowdowns are found", description=power.__doc__)
    one.add_argument("--suite", type=int, nargs="+", default=[10, 100, 1000, 7000], help="benchmarks")
    one.add_argument("--spread", type=float, nargs="+", default=[0.015, 0.03], help="of a round's log-ratio")
    one.add_argument("--slowdown", type=float, nargs="+", default=[0.03, 0.05, 0.10, 1.0])
    one.add_argument("--slow", type=int, default=1, help="benchmarks that are slower")
    one.add_argument("--gates", type=int, default=100, help="fewer in larger suites, at least 10")
    other = tables.add_parser("level", help="how often unchanged code is called slower", description=level.__doc__)
    other.add_argument("--benchmarks", type=int, default=60)
    other.add_argument("--alpha", type=float, default=0.2, help="large, so that few gates show it")
    other.add_argument("--gates", type=int, default=400)
    last = tables.add_parser("shards", help="the same, over the shards of a suite", description=shards.__doc__)
    last.add_argument("--benchmarks", type=int, default=240, help="in all shards")
    last.add_argument("--alpha", type=float, default=0.2, help="of all shards together")
    last.add_argument("--gates", type=int, default=400)
    told = tables.add_parser("promise", help="whether `detectable` is found", description=promise.__doc__)
    told.add_argument("--suite", type=int, nargs="+", default=[1, 10, 30, 100], help="benchmarks")
    told.add_argument("--spread", type=float, nargs="+", default=[0.005, 0.015, 0.03, 0.06])
    told.add_argument("--gates", type=int, default=400)
    for table, lines in ((one, power), (other, level), (last, shards), (told, promise)):
        table.add_argument("--seed", type=int, default=1)
        table.set_defaults(lines=lines)
    arguments = parser.parse_args()
    for line in arguments.lines(arguments):
        print(line)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
