"""A history in memory: runs in the order of commits, and a series per benchmark and machine.

Series are columns, not objects, as a history has hundreds of thousands of points.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paceline.report.check_report import full_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from paceline.report.changes import Quarantined


@dataclass(frozen=True, order=True)
class SeriesKey:
    """The fields that must be equal for two values to be compared."""

    benchmark: str  #: as asv names it
    parameters: tuple[str, ...]  #: asv's `repr` strings, one per parameter; () if there are none
    machine: str  #: its name, as `paceline machine` prints it
    engine: str  #: the tool that measured, with its version: "pytest-benchmark 5.3.1", "asv"
    environment: str  #: asv's environment name for runs of asv; "" for our own, whose packages are facts of the run
    version: str  #: of the benchmark; "" if unknown

    @property
    def full_name(self) -> str:
        """Return the benchmark's name with its parameters."""
        return full_name(self.benchmark, self.parameters)


@dataclass(frozen=True)
class Run:
    """One result file."""

    commit: str  #: 40 hexadecimal digits
    date: int  #: of the commit, milliseconds since 1970
    started: int  #: of the run, milliseconds since 1970; 0 if unknown
    machine: str
    packages: Mapping[str, str]  #: versions of Python and of installed packages, by name
    facts: Mapping[str, str]  #: what else may explain a change: operating system, kernel, governor, load...
    dirty: bool
    path: Path


@dataclass(frozen=True)
class Series:
    """Values of one key, one per commit, in the order of commits.

    `values` is in the benchmark's unit, `(n,)` float64, finite and positive for times; for a commit with
    several runs, their median. `low` and `high` are the quartiles of the samples, NaN if unknown.
    `runs` are indices into `History.runs`: the last run of that commit.
    """

    key: SeriesKey
    runs: NDArray[np.int64]
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    unit: str = "seconds"
    direction: str = "less"  #: less or more is better; empty if that is unknown


@dataclass(frozen=True)
class BenchmarkInfo:
    """A benchmark's description. Others wrote all of it, so none of it is trusted."""

    name: str
    group: str = ""
    #: of a pytest test: its parameters by name, as JSON values. The *Compare* page compares these.
    axes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """A history that was read. `runs` are ordered by commit, then by time of the run."""

    runs: tuple[Run, ...]
    series: tuple[Series, ...]
    benchmarks: Mapping[str, BenchmarkInfo]
    quarantined: tuple[Quarantined, ...]
    #: Current names of machines by former ones: adding a processor to the tables changes the names of its machines.
    renamed: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()  #: e.g. how many runs are of commits that are not on the branch
