"""Simulates the chance of each verdict at known slowdowns: made-up rounds, judged by the gate's own rules."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import TYPE_CHECKING

from paceline.gate import sequential
from paceline.gate.verdict import Benchmark
from paceline.report.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

TRUE = (0.0, 0.01, 0.02, 0.03, 0.05, 0.10)
SPREADS = (0.015, 0.03)  # standard deviation of a round's log-ratio: a calm and a busy machine
OUTLIERS = 0.03  # share of rounds that are off by half, as when a process is slow for its whole life
BENCHMARKS = 30  # in the suite: they share alpha
ALPHA = 0.01
TOLERANCE = 0.03
TRIALS = 400
SEED = 1


def chances(truth: float, spread: float, trials: int = TRIALS) -> Counter[Verdict]:
    """Return the verdicts of `trials` benchmarks whose head takes 1 + `truth` times as long as base."""
    coins = random.Random(SEED)  # noqa: S311  # reproducible, not secret
    plan = sequential.plan(ALPHA / BENCHMARKS)
    found: Counter[Verdict] = Counter()
    for _ in range(trials):
        benchmark = Benchmark("simulated", plan, TOLERANCE)
        while benchmark.verdict is None:
            benchmark.take(math.log1p(truth) + _noise(coins, spread))
        found[benchmark.verdict] += 1
    return found


def _noise(coins: random.Random, spread: float) -> float:
    off = coins.choice((-0.5, 0.5)) if coins.random() < OUTLIERS else 0.0
    return coins.gauss(0, spread) + off


def lines() -> Iterator[str]:
    """Yield a table of the chances, spread by spread."""
    verdicts = (Verdict.SAME, Verdict.SLOWER, Verdict.UNSURE, Verdict.FASTER)
    yield f"{'spread':>7} {'true':>6}  " + " ".join(f"{verdict.value:>7}" for verdict in verdicts)
    for spread in SPREADS:
        for truth in TRUE:
            found = chances(truth, spread)
            shares = " ".join(f"{found[verdict] / TRIALS:>7.1%}" for verdict in verdicts)
            yield f"{spread:>7.1%} {truth:>6.0%}  {shares}"
