"""A run as one of asv's result files, so that every tool of asv reads it unchanged.

Samples are kept as order statistics, at most `KEPT`: enough for each quantile at a multiple of 5 %, median and
quartiles included, to be exactly what it was of all samples, and for a history to stay small enough to be fetched.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.history.asv.asv_files import BENCHMARKS_VERSION, FORMERLY, OUR_SCHEMA, OURS, RESULT_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paceline.history.intake.provenance import Provenance

KEPT = 21
DIGITS = 5  # of statistics and samples, as asv keeps them; the result itself is kept in full
UNVERSIONED = "1"  # of a benchmark whose project sets no version: asv needs one
ENVIRONMENT = "pytest"  # asv's name for where a run was made
LARGE = 2**63  # from here on integers become floats in some reader, and many become one
LONGEST_NAME = 200  # characters: asv makes files of them
COVERAGE = 0.99  # of the interval of the median
COLUMNS = [
    "result",
    "params",
    "version",
    "started_at",
    "duration",
    "stats_ci_99_a",
    "stats_ci_99_b",
    "stats_q_25",
    "stats_q_75",
    "stats_number",
    "stats_repeat",
    "samples",
]


@dataclass(frozen=True)
class Measured:
    """One benchmark of a run. Times are seconds per call; without samples, only their quartiles are known."""

    test: str  #: pytest's id, below the project's root
    samples: Sequence[float]
    quartiles: tuple[float, float, float]
    number: int  #: calls per sample
    repeat: int  #: samples that were taken
    started: int | None = None  #: milliseconds since 1970
    duration: float | None = None  #: seconds, set-up and calibration included
    group: str = ""
    axes: Mapping[str, Any] = field(default_factory=dict)
    version: str = UNVERSIONED

    @property
    def name(self) -> str:
        """Its name in the history."""
        return asv_name(self.test)


@dataclass(frozen=True)
class Environment:
    """Where a run was made. `machine` holds asv's fields, see `Machine.as_asv`."""

    machine: Mapping[str, str]
    engine: str  #: and its version
    python: str  #: major and minor
    packages: Mapping[str, str]
    facts: Mapping[str, str]
    former: tuple[str, ...] = ()  #: names that the machine had before, see `Machine.former`

    @property
    def machine_file(self) -> dict[str, str]:
        """The content of its `machine.json`."""
        return {**self.machine, **({FORMERLY: " ".join(self.former)} if self.former else {})}


def asv_name(test: str) -> str:
    """Name a pytest test as asv names benchmarks: `a/test_b.py::C::test_d[e/f]` is `a.test_b.C.test_d[e/f]`."""
    path, bracket, parameters = test.partition("[")
    module, colons, rest = path.partition("::")
    dotted = (module.removesuffix(".py").replace("/", ".") + colons + rest).replace("::", ".")
    return _bounded(_characters(dotted + bracket + parameters))


def _bounded(text: str) -> str:
    """Cut a long text, and end it by what tells it from others."""
    if len(text) <= LONGEST_NAME:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[: LONGEST_NAME - len(digest) - 1]}~{digest}"


def as_text(value: Any) -> str:
    """Return a value as a text that can be written and read again."""
    try:
        said = str(value)
    except (ValueError, RecursionError):  # thousands of digits, or of levels, which Python refuses to write
        said = _bounded(hex(value)) if isinstance(value, int) else type(value).__name__
    return _characters(said)


def _characters(text: str) -> str:
    """Spell out halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-8", "backslashreplace").decode()


def writable(value: Any) -> Any:
    """Return a value as JSON that all readers read alike: what one of them cannot hold becomes a text."""
    if isinstance(value, dict):
        return {_characters(name): writable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [writable(each) for each in value]
    if isinstance(value, str):
        return _characters(value)
    is_alike = -LARGE <= value < LARGE if isinstance(value, int) else value is None or math.isfinite(value)
    return value if is_alike else as_text(value)


def quartiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile, interpolated linearly as asv does."""
    low, median, high = np.quantile(samples, (0.25, 0.5, 0.75))
    return float(low), float(median), float(high)


def thinned(samples: Sequence[float]) -> list[float]:
    """Return at most `KEPT` samples that have the same quantiles; fewer stay as they are, in order of time."""
    kept = samples if len(samples) <= KEPT else np.quantile(samples, np.linspace(0, 1, KEPT))
    return [_short(float(each)) for each in kept]


def interval(samples: Sequence[float]) -> tuple[float, float]:
    """Interval of the median at 99 %, by order statistics (Conover 1999, 3.2), as asv's.

    Infinite below 8 samples, of which no two can be that sure; asv writes the same for one.
    """
    from scipy import special

    count = len(samples)
    at_most = special.bdtr(np.arange(count), count, 0.5)  # chance that no more than 0, 1... lie below the median
    rank = int(np.searchsorted(at_most, (1 - COVERAGE) / 2))
    if rank == 0:
        return -math.inf, math.inf
    ordered = np.sort(samples)
    return float(ordered[rank - 1]), float(ordered[count - rank])


def result_document(measured: Sequence[Measured], provenance: Provenance, environment: Environment) -> dict[str, Any]:
    """Return the content of a result file."""
    params = {**environment.machine, "python": environment.python, "engine": environment.engine}
    if provenance.dirty:
        params["dirty"] = "yes"  # a line of its own in asv's graphs
    return {
        "commit_hash": provenance.commit,
        "env_name": ENVIRONMENT,
        "date": provenance.date,
        "params": writable(params),
        "python": as_text(environment.python),
        "requirements": {},
        "env_vars": {},
        "result_columns": COLUMNS,
        "results": {each.name: _row(each) for each in measured},
        "durations": {},
        OURS: writable(
            {
                "schema": OUR_SCHEMA,
                "engine": environment.engine,
                "dirty": provenance.dirty,
                "packages": dict(environment.packages),
                "facts": dict(environment.facts),
                "benchmarks": {each.name: {"group": each.group, "axes": dict(each.axes)} for each in measured},
            }
        ),
        "version": RESULT_VERSION,
    }


def benchmark_entries(measured: Sequence[Measured]) -> dict[str, dict[str, Any]]:
    """Return what asv's `benchmarks.json` is to hold of each."""
    return {
        each.name: {
            "code": as_text(each.test),
            "name": each.name,
            "param_names": [],
            "params": [],
            "type": "time",
            "unit": "seconds",
            "version": as_text(each.version),
        }
        for each in measured
    }


def machine_document(machine: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of a `machine.json`."""
    return {**writable(dict(machine)), "version": 1}


def benchmarks_document(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the content of a `benchmarks.json`."""
    return {**dict(sorted(entries.items())), "version": BENCHMARKS_VERSION}


def _row(measured: Measured) -> list[Any]:
    low, median, high = measured.quartiles
    ends = interval(measured.samples)
    return [
        [median],
        [],
        as_text(measured.version),
        measured.started,
        None if measured.duration is None else _short(measured.duration),
        [_short(ends[0])],
        [_short(ends[1])],
        [_short(low)],
        [_short(high)],
        [measured.number],
        [measured.repeat],
        [thinned(measured.samples)] if measured.samples else None,
    ]


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")
