"""Screening keeps the false-alarm rate: by enumeration of all coins, and by simulation with fixed seeds."""

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from noises import monte_carlo_limit
from paceline.gate import screening, sequential
from paceline.gate.screening import SCREENED, Screening, divided, kept
from paceline.gate.verdict import Benchmark
from paceline.report.verdicts import Verdict

TINY = 1e-9  # a tolerance that no estimate of these falls short of


def entered(count: int, alpha: float, tolerance: float = TINY) -> list[Benchmark]:
    plan = sequential.plan(kept(alpha, count))
    return [Benchmark(f"test_{number}", plan, tolerance) for number in range(count)]


@dataclass
class Paid:
    """Notes what the pool pays, in place of a benchmark."""

    least_excess: float
    values: list[float] = field(default_factory=list)
    verdict: Verdict | None = None
    levels: list[float] = field(default_factory=list)

    def confirm(self, level: float) -> None:
        """Take a level."""
        self.levels.append(level)


@pytest.mark.parametrize("suspects", [1, 2, 7, 500])
def test_suspects_divide_the_whole_pool_and_the_first_gets_most(suspects: int) -> None:
    levels = divided(0.005, suspects)
    assert sum(levels) == pytest.approx(0.005, rel=1e-12)
    assert [levels[0] / level for level in levels] == pytest.approx(range(1, suspects + 1))


def test_a_small_suite_is_not_screened() -> None:
    few = screening.FEWEST - 1
    assert kept(0.01, few) * few == pytest.approx(0.01)
    benchmarks = [Paid(1.0, [1.0] * SCREENED) for _ in range(few)]
    Screening(0.01, benchmarks).update()  # type: ignore[arg-type]
    assert not any(each.levels for each in benchmarks)


def test_the_most_suspicious_gets_most() -> None:
    benchmarks = [Paid(excess) for excess in (-0.1, 0.02, 0.7, 0.1, *[-1.0] * 56)]
    pool = Screening(0.01, benchmarks)  # type: ignore[arg-type]
    for each in benchmarks:
        each.values += [1.0] * SCREENED
    pool.update()
    assert [each.levels for each in benchmarks[:4]] == [
        [],
        [pytest.approx(0.005 * 2 / 11)],
        [pytest.approx(0.005 * 6 / 11)],
        [pytest.approx(0.005 * 3 / 11)],
    ]
    assert not any(each.levels for each in benchmarks[4:])


@pytest.mark.parametrize("seed", range(30))
def test_the_pool_pays_no_more_than_was_paid_in_whatever_comes_when(seed: int) -> None:
    """Benchmarks get their rounds at different times, or are decided before they are screened."""
    coins = random.Random(seed)
    benchmarks = [Paid(coins.gauss(0, 1)) for _ in range(coins.randrange(50, 90))]
    pool = Screening(0.01, benchmarks)  # type: ignore[arg-type]
    each_pays = 0.005 / len(benchmarks)
    for _ in range(12):
        for each in benchmarks:
            if coins.random() < 0.5:
                each.values.append(0.0)
            if coins.random() < 0.03:
                each.verdict, each.least_excess = Verdict.BROKEN, -math.inf
        pool.update()
        screened = sum(each.verdict is not None or len(each.values) >= SCREENED for each in benchmarks)
        paid = math.fsum(itertools.chain.from_iterable(each.levels for each in benchmarks))
        assert paid <= screened * each_pays * (1 + 1e-12)
    assert any(each.levels for each in benchmarks)
    assert all(len(each.levels) <= 1 for each in benchmarks)


def test_the_confirmation_sees_fresh_rounds_alone() -> None:
    """All signs positive: red at its first look, and a round later for each negative value before that look."""
    (benchmark,) = entered(1, 1e-6)
    for value in (0.1, 0.1, 0.1):
        benchmark.take(value)
    benchmark.confirm(0.02)
    first = sequential.plan(0.02).looks[0]
    assert first < benchmark.plan.looks[0] - SCREENED
    rounds = 0
    while benchmark.verdict is None:
        assert benchmark.rounds_to_slower() == first - rounds
        benchmark.take(0.1)
        rounds += 1
    assert (benchmark.verdict, rounds) == (Verdict.SLOWER, first)


@dataclass
class Watched(Benchmark):
    """A benchmark that remembers at what level it is confirmed."""

    level: float = 0.0

    def confirm(self, level: float) -> None:
        """Take a level."""
        self.level = level
        super().confirm(level)

    @property
    def is_confirmed(self) -> bool:
        """Whether its fresh rounds alone have found it slower."""
        if not self.level:
            return False
        monitor = sequential.Monitor(sequential.plan(self.level))
        return monitor.update(self.values[SCREENED:]) is sequential.Direction.SLOWER


Law = Callable[[int, Sequence[int]], Sequence[int]]  # signs of both benchmarks in a round, by the coins of all rounds


@pytest.mark.parametrize(
    "law",
    [
        lambda at, coins: (coins[at], coins[at]),
        lambda at, coins: (coins[at], -coins[at]),
        pytest.param(
            lambda at, coins: (coins[at], coins[at] * coins[at - 1] if at else coins[at]), marks=pytest.mark.slow
        ),
        pytest.param(
            lambda at, coins: (coins[at], coins[at] if at < SCREENED else -coins[at]), marks=pytest.mark.slow
        ),
    ],
    ids=["same", "opposite", "by the round before", "opposite after screening"],
)
def test_level_is_exact_by_enumerating_every_coin(law: Law, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two benchmarks of one process, whose signs depend on each other in any way: each alone tosses fair coins."""
    rounds, alpha = 11, 0.3
    fresh = 2 ** (rounds - SCREENED)
    monkeypatch.setattr(screening, "FEWEST", 2)
    monkeypatch.setattr(screening, "KEPT", 0.1)
    monkeypatch.setattr(sequential, "LOOK_OFFSETS", (0, 2, 4))
    monkeypatch.setattr(sequential, "SHARES", (0.5, 0.7, 1.0))
    red, found = 0, dict[tuple[int, ...], tuple[float, int]]()
    for coins in itertools.product([-1, 1], repeat=rounds):
        benchmarks = judged(law, coins, alpha)
        red += any(each.verdict is Verdict.SLOWER for each in benchmarks)
        level, count = found.get(coins[:SCREENED], (0.0, 0))
        level = max(level, sum(each.level for each in benchmarks))
        found[coins[:SCREENED]] = level, count + any(each.is_confirmed for each in benchmarks)
    assert all(count <= level * fresh for level, count in found.values()), "given the screening"
    assert max(count / fresh for _, count in found.values()) > 0.1 * alpha, "the fresh rounds can find something"
    assert 0 < red <= alpha * 2**rounds


SIZES = [1.0, 0.3, 2.0, 0.9, 1.7, 0.4, 0.8, 1.2, 0.6, 1.4, 0.7]


def judged(law: Law, coins: Sequence[int], alpha: float) -> list[Watched]:
    plan = sequential.plan(kept(alpha, 2))
    benchmarks = [Watched(name, plan, TINY) for name in "ab"]
    pool = Screening(alpha, benchmarks)
    for at, size in enumerate(SIZES):
        for benchmark, sign in zip(benchmarks, law(at, coins), strict=True):
            if benchmark.verdict is None:
                benchmark.take(sign * size)
        pool.update()
    return benchmarks


def test_false_alarms_keep_their_rate_when_benchmarks_share_a_process() -> None:
    """One coin for the process, one for each benchmark, heavy tails, and a tolerance that hides nothing."""
    gates, alpha, coins = 60, 0.4, random.Random(3)
    red = 0
    for _ in range(gates):
        benchmarks = entered(screening.FEWEST, alpha, 0.01)
        pool = Screening(alpha, benchmarks)
        while undecided := [each for each in benchmarks if each.verdict is None]:
            process = coins.choice([-1, 1]) * abs(coins.gauss(0, 0.02))
            for each in undecided:
                each.take(process + coins.gauss(0, 0.01) / max(0.05, coins.random()))
            pool.update()
        red += any(each.verdict is Verdict.SLOWER for each in benchmarks)
    assert red <= monte_carlo_limit(alpha, gates)
