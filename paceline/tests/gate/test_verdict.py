"""A benchmark's way to its verdict."""

import numpy as np
from paceline.gate import sequential
from paceline.gate.verdict import Benchmark


def test_noise_that_leaves_no_chance_ends_early_and_says_so() -> None:
    noisy = np.random.default_rng(10).normal(0, 0.2, 60)
    plan = sequential.plan(0.01 / 30)
    benchmark = Benchmark("noisy", plan, 0.03)
    for value in noisy - np.median(noisy):
        benchmark.take(float(value))
        if benchmark.verdict is not None:
            break
    finding = benchmark.finding()
    assert (finding.verdict, finding.rounds < plan.rounds) == ("unsure", True)
    assert "too noisy" in str(finding.reason)
