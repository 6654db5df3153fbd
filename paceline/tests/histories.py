"""Histories made up by tests, whose changes are known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from paceline.history.model import History, Run, Series, SeriesKey
from trees import commit

HOUR = 3_600_000
ENGINE = "pytest-benchmark 5.3.1"


Factor = Callable[[int, int, str], float]


@dataclass
class Maker:
    """Makes a history of benchmarks that take a millisecond, with noise of 1 %, on hardware classes of equal speed.

    `factor(benchmark number, commit number, machine)` multiplies a value; NaN leaves it out.
    """

    commits: int = 60
    benchmarks: int = 12
    machines: Sequence[str] = ("zen4",)
    factor: Factor = lambda *_: 1.0
    packages: Callable[[int], Mapping[str, str]] = lambda _: {}
    facts: Callable[[int], Mapping[str, str]] = lambda _: {}
    seed: int = 1
    noise: float = 0.01
    units: Mapping[int, str] = field(default_factory=dict)

    def history(self) -> History:
        """Return it: every commit is run on every class."""
        rng = np.random.default_rng(self.seed)
        runs = [
            Run(
                commit=commit(number),
                date=1_700_000_000_000 + number * HOUR,
                started=0,
                machine=machine,
                packages=self.packages(number),
                facts=self.facts(number),
                dirty=False,
                path=Path(f"{number}-{machine}.json"),
            )
            for number in range(self.commits)
            for machine in self.machines
        ]
        series = []
        for benchmark in range(self.benchmarks):
            for place, machine in enumerate(self.machines):
                factors = np.array([self.factor(benchmark, number, machine) for number in range(self.commits)])
                values = 1e-3 * factors * np.exp(rng.normal(0, self.noise, self.commits))
                indices = np.arange(self.commits) * len(self.machines) + place
                series.append(one_series(f"test_{benchmark}", machine, indices, values, self.units.get(benchmark)))
        return History(tuple(runs), tuple(series), {}, ())


def one_series(
    name: str, machine: str, runs: NDArray[np.int64], values: NDArray[np.float64], unit: str | None = None
) -> Series:
    """Return a series without the values that are NaN."""
    known = np.isfinite(values)
    unknown = np.full(int(known.sum()), np.nan)
    key = SeriesKey(name, (), machine, ENGINE, "", "1")
    return Series(key, runs[known], values[known], unknown, unknown, unit or "seconds")


def step(benchmark: int, at: int, ratio: float, machine: str | None = None, until: int = 10**9) -> Factor:
    """Return a factor: one benchmark changes at a commit."""

    def factor(number: int, place: int, where: str) -> float:
        return ratio if number == benchmark and at <= place < until and machine in {None, where} else 1.0

    return factor
