"""Writes a run as one of asv's result files, so that asv's tools can read it.

At most `KEPT` samples are kept, as order statistics, so that the history stays small enough to fetch. Every quantile
at a multiple of 5 %, median and quartiles included, is exactly that of all samples.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.history.asv.asv_files import (
    BENCHMARKS_VERSION,
    FORMERLY,
    OUR_SCHEMA,
    OURS,
    PEAK,
    RESULT_VERSION,
    kind_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paceline.history.intake.provenance import Provenance

KEPT = 21
DIGITS = 5  # of statistics and samples, as asv keeps them; the result itself is kept in full
UNVERSIONED = "1"  # of a benchmark whose project sets no version: asv needs one
ENVIRONMENT = "pytest"  # asv's name for the environment of a run
LARGE = 2**63  # some readers turn integers from here on into floats, so that different ones become equal
LONGEST_NAME = 200  # characters: asv uses names for files
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
    """One benchmark of a run. Times are seconds per call; without samples, only the quartiles are known.

    `peak`: it is the benchmark's peak of memory, in bytes.
    """

    test: str  #: pytest's id, below the project's root
    samples: Sequence[float]
    quartiles: tuple[float, float, float]
    number: int  #: calls per sample
    repeat: int  #: samples that were taken
    started: int | None = None  #: milliseconds since 1970
    duration: float | None = None  #: seconds, setup and calibration included
    group: str = ""
    axes: Mapping[str, Any] = field(default_factory=dict)
    version: str = UNVERSIONED
    peak: bool = False

    @property
    def name(self) -> str:
        """Return the benchmark's name in the history."""
        is_named_so = self.test.partition("[")[0].rpartition("::")[2].startswith(PEAK)  # a benchmark of asv
        return asv_name(self.test, PEAK if self.peak and not is_named_so else "")

    def of_memory(self, size: int) -> Measured:
        """Return the peak of this benchmark's memory."""
        quartiles = (float(size),) * 3
        return replace(self, samples=(), quartiles=quartiles, number=1, repeat=1, duration=None, peak=True)


@dataclass(frozen=True)
class Environment:
    """The environment of a run. `machine` holds asv's fields, see `Machine.as_asv`."""

    machine: Mapping[str, str]
    engine: str  #: and its version
    python: str  #: major and minor
    packages: Mapping[str, str]
    facts: Mapping[str, str]
    former: tuple[str, ...] = ()  #: names that the machine had before, see `Machine.former`

    @property
    def machine_file(self) -> dict[str, str]:
        """Return the content of the machine's `machine.json`."""
        return {**self.machine, **({FORMERLY: " ".join(self.former)} if self.former else {})}


def asv_name(test: str, prefix: str = "") -> str:
    """Return a test's name in asv's style: `a/test_b.py::C::test_d[e/f]` becomes `a.test_b.C.test_d[e/f]`.

    `prefix` comes before its last part.
    """
    path, bracket, parameters = test.partition("[")
    module, colons, rest = path.partition("::")
    dotted = (module.removesuffix(".py").replace("/", ".") + colons + rest).replace("::", ".")
    above, dot, last = dotted.rpartition(".")
    dotted = f"{above}{dot}{prefix}{last}"
    return _bounded(_characters(dotted + bracket + parameters))


def _bounded(text: str) -> str:
    """Return a text of limited length; a long one is cut, and a hash keeps it unique."""
    if len(text) <= LONGEST_NAME:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text[: LONGEST_NAME - len(digest) - 1]}~{digest}"


def as_text(value: Any) -> str:
    """Return a value as a string that can be written and read again."""
    try:
        said = str(value)
    except (ValueError, RecursionError):  # thousands of digits, or of levels, which Python refuses to write
        said = _bounded(hex(value)) if isinstance(value, int) else type(value).__name__
    return _characters(said)


def _characters(text: str) -> str:
    """Return a text with lone surrogates escaped, as no file can hold them."""
    return text.encode("utf-8", "backslashreplace").decode()


def writable(value: Any) -> Any:
    """Return a value as JSON that all readers read alike; other values become strings."""
    if isinstance(value, dict):
        return {_characters(name): writable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [writable(each) for each in value]
    if isinstance(value, str):
        return _characters(value)
    is_alike = -LARGE <= value < LARGE if isinstance(value, int) else value is None or math.isfinite(value)
    return value if is_alike else as_text(value)


def quartiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile, interpolated linearly as in asv."""
    low, median, high = np.quantile(samples, (0.25, 0.5, 0.75))
    return float(low), float(median), float(high)


def thinned(samples: Sequence[float]) -> list[float]:
    """Return at most `KEPT` samples that have the same quantiles; fewer stay as they are, in order of time."""
    kept = samples if len(samples) <= KEPT else np.quantile(samples, np.linspace(0, 1, KEPT))
    return [_short(float(each)) for each in kept]


def interval(samples: Sequence[float]) -> tuple[float, float]:
    """Return the 99 % interval of the median by order statistics (Conover 1999, 3.2), as in asv.

    Infinite below 8 samples, which are too few for 99 %; asv writes the same for one sample.
    """
    from scipy import special

    count = len(samples)
    at_most = special.bdtr(np.arange(count), count, 0.5)  # chance that at most 0, 1... lie below the median
    rank = int(np.searchsorted(at_most, (1 - COVERAGE) / 2))
    if rank == 0:
        return -math.inf, math.inf
    ordered = np.sort(samples)
    return float(ordered[rank - 1]), float(ordered[count - rank])


def result_document(measured: Sequence[Measured], provenance: Provenance, environment: Environment) -> dict[str, Any]:
    """Return the content of a result file."""
    params = {**environment.machine, "python": environment.python, "engine": environment.engine}
    if provenance.dirty:
        params["dirty"] = "yes"  # a separate line in asv's graphs
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
    """Return the entries of asv's `benchmarks.json` for these benchmarks."""
    return {
        each.name: {
            "code": as_text(each.test),
            "name": each.name,
            "param_names": [],
            "params": [],
            **kind_of(each.name),
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
