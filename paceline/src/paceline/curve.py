"""Chances of each verdict at known slowdowns: simulated rounds, judged by the gate's own rules."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from paceline.gate import statistics
from paceline.gate.finding import Verdict
from paceline.gate.verdict import Benchmark

if TYPE_CHECKING:
    from collections.abc import Iterator

TRUE = (0.0, 0.01, 0.02, 0.03, 0.05, 0.10)
SPREADS = (0.015, 0.03)  # standard deviation of a round's log-ratio: a calm and a busy machine
OUTLIERS = 0.03  # of all rounds are off by half: a process that is slow for its whole life
BENCHMARKS = 30  # that share alpha
ALPHA = 0.01
TOLERANCE = 0.03
TRIALS = 400
SEED = 1


def chances(truth: float, spread: float, trials: int = TRIALS) -> Counter[Verdict]:
    """Verdicts of `trials` benchmarks whose head takes 1 + `truth` times as long as base."""
    coins = np.random.default_rng(SEED)
    plan = statistics.plan(ALPHA / BENCHMARKS)
    found: Counter[Verdict] = Counter()
    for _ in range(trials):
        values = math.log1p(truth) + coins.normal(0, spread, plan.rounds)
        values += 0.5 * coins.choice([-1, 0, 1], plan.rounds, p=[OUTLIERS / 2, 1 - OUTLIERS, OUTLIERS / 2])
        benchmark = Benchmark("simulated", plan, TOLERANCE)
        for value in values:
            benchmark.take(float(value))
            if benchmark.verdict is not None:
                break
        found[benchmark.verdict or Verdict.UNSURE] += 1
    return found


def lines() -> Iterator[str]:
    """Table of the chances, a spread at a time."""
    verdicts = (Verdict.SAME, Verdict.SLOWER, Verdict.UNSURE, Verdict.FASTER)
    yield f"{'spread':>7} {'true':>6}  " + " ".join(f"{verdict.value:>7}" for verdict in verdicts)
    for spread in SPREADS:
        for truth in TRUE:
            found = chances(truth, spread)
            shares = " ".join(f"{found[verdict] / TRIALS:>7.1%}" for verdict in verdicts)
            yield f"{spread:>7.1%} {truth:>6.0%}  {shares}"
