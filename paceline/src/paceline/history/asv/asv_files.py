"""Reads asv's three kinds of files strictly, so that neither paceline nor asv crashes on one that passes.

Files may come from anywhere. A file is sound as a whole, or it is refused with a one-line reason. asv writes NaN for
skipped benchmarks, null for failed ones and an infinite interval for a single sample: these are read as missing. All
other values must be finite.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import orjson

from paceline.errors import shown
from paceline.history.asv.fast_json import json_object
from paceline.system.strict import TOO_DEEP, MalformedError, commit_hash, need, text_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

MACHINE_FILE = "machine.json"
BENCHMARKS_FILE = "benchmarks.json"
RESULT_VERSION = 2  # asv's versions of its formats
MACHINE_VERSION = 1
BENCHMARKS_VERSION = 2
OURS = "paceline"  # the key of what asv has no field for, in our own files; asv ignores it
OUR_SCHEMA = 1
DEEPEST = 254  # levels; as many as orjson writes, and a quarter of Python's limit
LATEST = 253_402_300_800_000  # the year 10000, in milliseconds: later dates cannot be shown
COLUMNS = frozenset({"result", "params", "version", "started_at", "duration", "samples", "profile"})
LISTS = frozenset({list, type(None)})
NUMBERS = frozenset({bool, int, float, type(None)})
TIMES = frozenset({int, float, type(None)})
FORMERLY = "formerly"  # in a machine.json: names that this machine had before, with spaces between them
PEAK = "peakmem_"  # asv's mark, before the last part of a name: in our own files, of a test's peak of memory
KEPT_COLUMNS = ("result", "stats_q_25", "stats_q_75")

#: A row of a file: benchmark, values of each of its parameters, version (None if missing), and number of results: one
#: for each combination of parameters, or none if it failed.
Row: TypeAlias = "tuple[str, list[list[str]], str | None, int]"


class About(NamedTuple):
    """The origin of a run. Times are in milliseconds since 1970, 0 if unknown."""

    commit: str
    date: int  #: of the commit
    started: int
    machine: str
    engine: str
    environment: str
    dirty: bool


class Shared(NamedTuple):
    """JSON texts that most files of a history share: ten thousand runs have a few hundred."""

    packages: str  #: object of strings
    facts: str  #: object of strings
    described: str  #: object: group and axes by benchmark
    rows: str  #: list of `Row`


class Header(NamedTuple):
    """A sound result file without its values."""

    about: About
    shared: Shared


class Result(NamedTuple):
    """A sound result file.

    `columns` is `(3, n)` float64: value, lower and upper quartile of each combination of parameters of each row, in
    `itertools.product`'s order. NaN where there is none.
    """

    header: Header
    columns: NDArray[np.float64]


def kind_of(benchmark: str) -> dict[str, str]:
    """Return asv's type and unit of a benchmark of our own files, by its name."""
    if benchmark.partition("[")[0].rpartition(".")[2].startswith(PEAK):
        return {"type": "peakmemory", "unit": "bytes"}
    return {"type": "time", "unit": "seconds"}


def combinations(row: Row) -> Iterator[tuple[str, ...]]:
    """Yield the parameters of each value of a row, in order."""
    _, parameters, _, count = row
    return itertools.product(*parameters) if count else iter(())


def result_file(raw: bytes) -> Result:
    """Return the content of a result file. Raises MalformedError."""
    document = _document(raw, RESULT_VERSION)
    params = _strings(document, "params")
    about = About(
        commit=commit_hash(document, "commit_hash"),
        date=_time(document, "date"),
        started=0,
        machine=text_in(params, "machine"),
        engine="asv",
        environment=text_in(document, "env_name"),
        dirty=False,
    )
    requirements = _strings(document, "requirements")
    _strings({"env_vars": {}, **document}, "env_vars")
    packages = {"python": text_in(document, "python"), **requirements}
    facts = {name: value for name, value in params.items() if name not in {"machine", "python", *requirements}}
    described: dict[str, Any] = {}
    if OURS in document:
        ours = _ours(document[OURS])
        about = about._replace(engine=ours["engine"], environment="", dirty=ours["dirty"])
        packages, facts, described = ours["packages"], ours["facts"], ours["benchmarks"]
    rows, started, columns = _table(document)
    begun = started[[count > 0 for *_, count in rows]]
    first = int(np.nanmin(begun)) if np.isfinite(begun).any() else 0
    shared = Shared(*map(_json, (packages, facts, described, rows)))
    return Result(Header(about._replace(started=first), shared), columns)


def machine_file(raw: bytes) -> dict[str, Any]:
    """Return the content of a `machine.json`, which names at least its machine. Raises MalformedError."""
    document = _document(raw, MACHINE_VERSION)
    text_in(document, "machine")
    for name, value in document.items():
        need(_is_scalar(value), "{}: expected a string, got {}", name, value)
    return document


def benchmarks_file(raw: bytes) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the sound entries of a `benchmarks.json` by name, and a reason for each of the others.

    Raises MalformedError if the file cannot be used at all.
    """
    document = _document(raw, BENCHMARKS_VERSION)
    sound, reasons = {}, []
    for name, entry in document.items():
        if name == "version":
            continue
        try:
            sound[name] = _described(name, entry)
        except MalformedError as reason:
            reasons.append(f"benchmark {shown(name)}: {reason}")
    return sound, reasons


def _described(name: str, entry: Any) -> dict[str, Any]:
    need(isinstance(entry, dict), "expected an object, got {}", entry)
    need(entry.get("name") == name, "name: expected {}, got {}", name, entry.get("name"))
    params, names = entry.get("params"), entry.get("param_names")
    need(_is_list_of_texts(names), "param_names: expected a list of strings, got {}", names)
    need(_is_list_of_lists_of_texts(params), "params: expected a list of lists of strings, got {}", params)
    need(len(params) == len(names), "{} parameters, but {} names of parameters", len(params), len(names))
    for field in ("version", "unit", "type", "code", "pretty_name"):
        need(isinstance(entry.get(field, ""), str), "{}: expected a string, got {}", field, entry.get(field))
    _json(entry)
    found: dict[str, Any] = entry
    return found


def _document(raw: bytes, version: int) -> dict[str, Any]:
    document = json_object(raw)
    found = document.get("version")
    remedy = ". Run `asv update`" if found in range(1, version) else ""
    need(type(found) is int and found == version, f"version: expected {version}, got {{}}{remedy}", found)
    return document


def _time(table: Mapping[str, Any], name: str) -> int:
    need(name in table, "{} is missing", name)
    value = table[name]
    need(_is_time(value), "{}: expected milliseconds since 1970, got {}", name, value)
    return int(value)


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < LATEST


def _strings(table: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return an object of scalars as one of strings; asv writes null for an empty one."""
    need(name in table, "{} is missing", name)
    value = table[name]
    need(isinstance(value, dict), "{}: expected an object, got {}", name, value)
    for key, each in value.items():
        need(_is_scalar(each), "{}: {}: expected a string, got {}", name, key, each)
    return {key: "" if each is None else str(each) for key, each in value.items()}


def _ours(ours: Any) -> dict[str, Any]:
    need(isinstance(ours, dict), "paceline: expected an object, got {}", ours)
    need(ours.get("schema") == OUR_SCHEMA, "paceline: schema: expected {1}, got {0}", ours.get("schema"), OUR_SCHEMA)
    need(isinstance(ours.get("dirty"), bool), "paceline: dirty: expected true or false, got {}", ours.get("dirty"))
    benchmarks = ours.get("benchmarks")
    need(isinstance(benchmarks, dict), "paceline: benchmarks: expected an object, got {}", benchmarks)
    for name, each in benchmarks.items():
        need(isinstance(each, dict), "paceline: benchmark {}: expected an object, got {}", name, each)
        group, axes = each.get("group") or "", each.get("axes", {})
        need(isinstance(group, str), "paceline: group of {}: expected a string, got {}", name, group)
        need(isinstance(axes, dict), "paceline: axes of {}: expected an object, got {}", name, axes)
    strings = {name: _strings(ours, name) for name in ("packages", "facts")}
    return {**ours, **strings, "engine": text_in(ours, "engine")}


@dataclass(frozen=True)
class _Table:
    """Rows by column: with hundreds of thousands of cells, the checks loop over columns, not over cells."""

    benchmarks: Sequence[str]
    columns: Mapping[str, Sequence[Any]]

    def column(self, name: str) -> Sequence[Any]:
        return self.columns.get(name) or [None] * len(self.benchmarks)

    def only_results(self) -> _Table:
        """Return the table without failed benchmarks."""
        kept = [cell is not None for cell in self.column("result")]
        if all(kept):
            return self
        columns = {name: [*itertools.compress(column, kept)] for name, column in self.columns.items()}
        return _Table([*itertools.compress(self.benchmarks, kept)], columns)

    def check(self, name: str, good: Callable[[Any], bool], kind: str) -> None:
        """Raise MalformedError for the first bad cell of a column."""
        column = self.column(name)
        if not all(map(good, column)):
            at, cell = next((at, cell) for at, cell in enumerate(column) if not good(cell))
            need(False, f"results: {{}}: {{}}: expected {kind}, got {{}}", self.benchmarks[at], name, cell)

    def check_numbers(self, name: str) -> None:
        """Raise MalformedError for the first cell of a column that is not a list of numbers."""
        column = self.column(name)
        values = itertools.chain.from_iterable(filter(None, column))
        if not (LISTS.issuperset(map(type, column)) and NUMBERS.issuperset(map(type, values))):
            self.check(name, _is_list_of_numbers, "a list of numbers")

    def check_times(self, name: str) -> None:
        """Raise MalformedError for the first cell of a column that is not a time."""
        column = self.column(name)
        if not (TIMES.issuperset(map(type, column)) and all(0 <= each < LATEST for each in filter(None, column))):
            self.check(name, lambda cell: cell is None or _is_time(cell), "a time")

    def check_counts(self, name: str, expected: Sequence[int]) -> None:
        """Raise MalformedError for the first cell with another number of values than expected."""
        column = self.column(name)
        if None in column:
            counts = [many if cell is None else len(cell) for cell, many in zip(column, expected, strict=True)]
        else:
            counts = [*map(len, column)]
        if counts != expected:
            at = next(at for at, many in enumerate(expected) if counts[at] != many)
            reason = "results: {}: {}: expected {} values, got {}"
            need(False, reason, self.benchmarks[at], name, expected[at], counts[at])


def _table(document: Mapping[str, Any]) -> tuple[list[Row], NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows, the start of each, and the columns."""
    names = document.get("result_columns")
    need(_is_list_of_texts(names), "result_columns: expected a list of strings, got {}", names)
    unknown = [name for name in names or () if name not in COLUMNS and not name.startswith("stats_")]
    need(not unknown, "result_columns: expected asv's columns, got {}", unknown[:1])
    results = document.get("results")
    need(isinstance(results, dict), "results: expected an object, got {}", results)
    every = _transposed(names or (), results or {})
    every.check("version", lambda cell: cell is None or isinstance(cell, str), "a string")
    every.check_times("started_at")
    measured = every.only_results()
    _check(measured, names or ())
    rows: list[Row] = [
        (benchmark, params, version, len(found)) if found else (benchmark, [], version, 0)
        for benchmark, params, version, found in zip(
            every.benchmarks, every.column("params"), every.column("version"), every.column("result"), strict=True
        )
    ]
    started = np.array(every.column("started_at"), dtype=np.float64)
    found = measured.column("result")
    return rows, started, _floats([_flat(measured.column(name), found) for name in KEPT_COLUMNS])


def _transposed(names: Sequence[str], results: Mapping[str, Any]) -> _Table:
    """Turn rows into columns; asv leaves out empty columns at the end of a row."""
    for benchmark, cells in results.items():
        if not isinstance(cells, list):
            need(False, "results: {}: expected a list, got {}", benchmark, cells)
        if len(cells) > len(names):
            need(False, "results: {}: expected {} columns, got {}", benchmark, len(names), len(cells))
    columns = itertools.zip_longest(*results.values())
    return _Table([*results], dict(zip(names, columns, strict=False)))


def _check(table: _Table, names: Sequence[str]) -> None:
    numeric = ["result", *(name for name in names if name.startswith("stats_"))]
    for name in numeric:
        table.check_numbers(name)
    table.check("params", _is_list_of_lists_of_texts, "a list of lists of strings")
    table.check_times("duration")
    table.check("samples", lambda cell: cell is None or isinstance(cell, list), "a list")
    counts = [*map(len, table.column("result"))]
    for benchmark, params, many in zip(table.benchmarks, table.column("params"), counts, strict=True):
        combined = _product([*map(len, params)], many) if params else 1
        if combined != many:
            more = "or more " if combined > many else ""
            reason = f"results: {{}}: {{}} results for {{}} {more}combinations of parameters"
            need(False, reason, benchmark, many, combined)
    for name in (*numeric, "samples"):
        table.check_counts(name, counts)


def _product(counts: Sequence[int], enough: int) -> int:
    """Return the product, or a partial one above `enough`: a hostile file could ask for millions of digits."""
    product = int(0 not in counts)
    for count in counts:
        product *= count
        if product > enough:
            break
    return product


def _flat(column: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """Return the joined lists; a missing list becomes as many gaps as `like` has values."""
    return [
        value
        for cell, other in zip(column, like, strict=True)
        for value in (itertools.repeat(None, len(other)) if cell is None else cell)
    ]


def _floats(columns: Sequence[list[Any]]) -> NDArray[np.float64]:
    try:
        found = np.array(columns, dtype=np.float64).reshape(len(KEPT_COLUMNS), -1)
    except OverflowError:
        raise MalformedError("results: an integer is too large for a measurement") from None
    need(not np.isinf(found[0]).any(), "results: Infinity is not a measurement, and asv would hang on it")
    found[np.isinf(found)] = np.nan
    return found


def _is_scalar(value: Any) -> bool:
    """Whether a value can become a string; NaN and Infinity would not be JSON in asv's pages."""
    return value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _json(value: Any) -> str:
    """Return a value as JSON for a browser, which accepts no NaN. Raises MalformedError."""
    try:
        written = orjson.dumps(value)
    except TypeError:  # a large integer, which json can write, or too deep nesting
        need(_is_flat(value), TOO_DEEP)
    else:
        if b"null" not in written:  # which orjson also writes for NaN and Infinity
            return written.decode()
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        raise MalformedError("NaN or Infinity in a field other than results") from None


def _is_flat(value: Any) -> bool:
    """Whether a value is nested so little that Python can read and write it at any depth of its own stack."""
    level = [value]
    for _ in range(DEEPEST):
        inside = itertools.chain.from_iterable(each.values() if isinstance(each, dict) else each for each in level)
        level = [each for each in inside if isinstance(each, (dict, list))]
    return not level


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_list_of_lists_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_list_of_texts, value))


def _is_list_of_numbers(value: Any) -> bool:
    return value is None or (isinstance(value, list) and NUMBERS.issuperset(map(type, value)))
