"""What a history is made of once it has been read: runs in the order of commits, and a series per benchmark.

Columns instead of objects: a history has hundreds of thousands of points.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from paceline.report.changes import Quarantined


@dataclass(frozen=True, order=True)
class SeriesKey:
    """What must be equal for two values to be compared at all."""

    benchmark: str  #: as asv names it
    parameters: tuple[str, ...]  #: asv's `repr` strings, one per parameter; () if there are none
    machine: str  #: the hardware class
    engine: str  #: what measured, and its version: "pytest-benchmark 5.3.1", "asv"
    environment: str  #: asv's environment name for runs of asv; "" for our own, whose packages are facts of the run
    version: str  #: of what is measured; "" if not known


@dataclass(frozen=True)
class Run:
    """One result file."""

    commit: str  #: 40 hexadecimal digits
    date: int  #: of the commit, milliseconds since 1970
    started: int  #: of the run, milliseconds since 1970; 0 if not known
    machine: str
    packages: Mapping[str, str]  #: versions of Python and of installed packages, by name
    facts: Mapping[str, str]  #: what else may explain a shift: operating system, kernel, governor, load...
    dirty: bool
    path: Path


@dataclass(frozen=True)
class Series:
    """Values of one key, one per commit, in the order of commits.

    `values` is in the benchmark's unit, `(n,)` float64, finite and positive for times; where a commit was run
    several times, the median of the runs. `low` and `high` are the quartiles of the samples, NaN if not known.
    `runs` are indices into `History.runs`: the last run of that commit.
    """

    key: SeriesKey
    runs: NDArray[np.int64]
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    unit: str = "seconds"


@dataclass(frozen=True)
class BenchmarkInfo:
    """What is known of a benchmark apart from its values. Nothing of it is trusted: it is a name given by others."""

    name: str
    group: str = ""
    #: of a pytest test: its parameters by name, as JSON values. What the *Compare* page tells apart.
    axes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """Everything that was read. `runs` are ordered by commit, then by time of the run."""

    runs: tuple[Run, ...]
    series: tuple[Series, ...]
    benchmarks: Mapping[str, BenchmarkInfo]
    quarantined: tuple[Quarantined, ...]
    #: Present names of machines by former ones: a processor that is added to the tables changes its machine's name.
    renamed: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()  #: e.g. how many runs are of commits that the branch does not have
