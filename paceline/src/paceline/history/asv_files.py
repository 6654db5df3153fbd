"""asv's three kinds of files, read strictly: what passes here can be used, and published by asv, without a crash.

They may come from anywhere, so nothing is taken for granted: a file is sound as a whole, or it says in one line why
it is not. asv itself writes NaN for what was skipped, null for what failed and an infinite interval for a single
sample; these are read as absent, and nothing else that is not a finite number is a value.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from paceline.history.strict import MalformedError, commit_hash, json_object, need, shown, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

RESULT_VERSION = 2  # asv's versions of its formats
MACHINE_VERSION = 1
BENCHMARKS_VERSION = 2
OURS = "paceline"  # the key below which our own files hold what asv has no place for; asv ignores it
OUR_SCHEMA = 1
LONGEST = 64 * 2**20  # bytes; a file of a million samples has a third of that
LATEST = 253_402_300_800_000  # the year 10000, in milliseconds: later dates cannot be shown
COLUMNS = frozenset({"result", "params", "version", "started_at", "duration", "samples", "profile"})
SCALAR = (str, int, float, bool, type(None))
NUMBER = (int, float, type(None))  # bool is an int

#: A line of a file: benchmark, values of each of its parameters, version of what is measured.
Row: TypeAlias = "tuple[str, list[list[str]], str]"


@dataclass(frozen=True)
class Result:
    """A sound result file, in a form that is cheap to keep: JSON texts, most of which all runs share, and columns.

    `columns` is `(3, n)` float64: value, lower and upper quartile of each combination of parameters of each row, in
    `itertools.product`'s order; NaN where there is none.
    """

    about: str  #: object: commit, date, started, machine, engine, environment, dirty
    packages: str  #: object of strings
    facts: str  #: object of strings
    described: str  #: object: group and axes by benchmark
    rows: str  #: list of `Row`
    columns: NDArray[np.float64]


def combinations(row: Row) -> Iterator[tuple[str, ...]]:
    """Parameters of each value of a row, in order."""
    return itertools.product(*row[1])


def result_file(raw: bytes) -> Result:
    """Read a result file. Raises MalformedError."""
    document = _document(raw, RESULT_VERSION)
    params = _strings(document, "params")
    about = {
        "commit": commit_hash(document, "commit_hash"),
        "date": _time(document, "date"),
        "machine": text(params, "machine"),
        "engine": "asv",
        "environment": text(document, "env_name"),
        "dirty": False,
    }
    requirements = _strings(document, "requirements")
    _strings({"env_vars": {}, **document}, "env_vars")
    packages = {"python": text(document, "python"), **requirements}
    facts = {name: value for name, value in params.items() if name not in {"machine", "python", *requirements}}
    described: dict[str, Any] = {}
    if OURS in document:
        ours = _ours(document[OURS])
        about |= {"engine": ours["engine"], "environment": "", "dirty": ours["dirty"]}
        packages, facts, described = ours["packages"], ours["facts"], ours["benchmarks"]
    rows, started, columns = _table(document)
    return Result(
        about=json.dumps({**about, "started": started}),
        packages=json.dumps(packages),
        facts=json.dumps(facts),
        described=json.dumps(described),
        rows=json.dumps(rows),
        columns=columns,
    )


def machine_file(raw: bytes) -> dict[str, Any]:
    """Read a `machine.json`, which names at least its machine. Raises MalformedError."""
    document = _document(raw, MACHINE_VERSION)
    text(document, "machine")
    for name, value in document.items():
        need(isinstance(value, SCALAR), f"{shown(name)} is not a text")
    return document


def benchmarks_file(raw: bytes) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Read a `benchmarks.json`: its sound entries by name, and a reason for each other one.

    Raises MalformedError if nothing of it can be used.
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
    need(isinstance(entry, dict), "is not an object")
    need(entry.get("name") == name, f"its name is {shown(entry.get('name'))}")
    params, names = entry.get("params"), entry.get("param_names")
    need(_is_list_of_texts(names), "param_names is not a list of texts")
    need(isinstance(params, list) and all(map(_is_list_of_texts, params)), "params is not a list of lists of texts")
    need(len(params) == len(names), f"{len(params)} parameters and {len(names)} names of parameters")
    for field in ("version", "unit", "type", "code", "pretty_name"):
        need(isinstance(entry.get(field, ""), str), f"{field} is not a text")
    found: dict[str, Any] = entry
    return found


def _document(raw: bytes, version: int) -> dict[str, Any]:
    document = json_object(raw)
    found = document.get("version")
    remedy = "; `asv update` brings it up to date" if found in range(1, version) else ""
    need(type(found) is int and found == version, f"has version {shown(found)}, not {version}{remedy}")
    return document


def _time(table: Mapping[str, Any], name: str) -> int:
    need(name in table, f"{name} is missing")
    value = table[name]
    need(_is_time(value), f"{name} is {shown(value)}, not milliseconds since 1970")
    return int(value)


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < LATEST


def _strings(table: Mapping[str, Any], name: str) -> dict[str, str]:
    """Read an object of scalars as one of texts; asv writes null for none."""
    need(name in table, f"{name} is missing")
    value = table[name]
    need(isinstance(value, dict), f"{name} is {shown(value)}, not an object")
    for key, each in value.items():
        need(isinstance(each, SCALAR), f"{name}: {shown(key)} is {shown(each)}, not a text")
    return {key: "" if each is None else str(each) for key, each in value.items()}


def _ours(ours: Any) -> dict[str, Any]:
    need(isinstance(ours, dict), f"{OURS} is {shown(ours)}, not an object")
    need(ours.get("schema") == OUR_SCHEMA, f"{OURS}: schema {shown(ours.get('schema'))} is not {OUR_SCHEMA}")
    need(isinstance(ours.get("dirty"), bool), f"{OURS}: dirty is neither true nor false")
    benchmarks = ours.get("benchmarks")
    need(isinstance(benchmarks, dict), f"{OURS}: benchmarks is not an object")
    for name, each in benchmarks.items():
        need(isinstance(each, dict), f"{OURS}: benchmark {shown(name)} is not an object")
        need(isinstance(each.get("group") or "", str), f"{OURS}: group of {shown(name)} is not a text")
        need(isinstance(each.get("axes", {}), dict), f"{OURS}: axes of {shown(name)} is not an object")
    strings = {name: _strings(ours, name) for name in ("packages", "facts")}
    return {**ours, **strings, "engine": text(ours, "engine")}


def _table(document: Mapping[str, Any]) -> tuple[list[Row], int, NDArray[np.float64]]:
    """Rows that have values, when the first of them was started, and the columns."""
    names = document.get("result_columns")
    need(_is_list_of_texts(names), "result_columns is not a list of texts")
    unknown = [name for name in names or () if name not in COLUMNS and not name.startswith("stats_")]
    need(not unknown, f"result_columns has {shown(unknown[:1])}, which asv does not know")
    results = document.get("results")
    need(isinstance(results, dict), f"results is {shown(results)}, not an object")
    rows: list[Row] = []
    started: list[int] = []
    columns: tuple[list[Any], ...] = ([], [], [])
    for benchmark, cells in (results or {}).items():
        try:
            row = _cells(names or (), cells)
            if row.get("result") is None:  # the benchmark failed
                continue
            rows.append((benchmark, row["params"], row.get("version") or ""))
        except MalformedError as reason:
            raise MalformedError(f"results: {shown(benchmark)}: {reason}") from None
        if row.get("started_at") is not None:
            started.append(int(row["started_at"]))
        absent = [None] * len(row["result"])
        for column, name in zip(columns, ("result", "stats_q_25", "stats_q_75"), strict=True):
            column.extend(row.get(name) or absent)
    return rows, min(started, default=0), _floats(columns)


def _cells(names: Sequence[str], cells: Any) -> dict[str, Any]:
    """Read one row by the names of its columns; asv leaves out empty columns at the end."""
    need(isinstance(cells, list), f"is {shown(cells)}, not a list")
    need(len(cells) <= len(names), f"has {len(cells)} columns, not {len(names)}")
    row = dict(zip(names, cells, strict=False))
    result, params = row.get("result"), row.get("params")
    if result is None:
        return row
    need(isinstance(result, list), f"result is {shown(result)}, not a list")
    need(isinstance(params, list) and all(map(_is_list_of_texts, params)), "params is not a list of lists of texts")
    due = len(result)
    combined = _product([len(each) for each in params or ()], due)
    more = "or more " if combined > due else ""
    need(combined == due, f"{due} results for {combined} {more}combinations of parameters")
    need(isinstance(row.get("version"), (str, type(None))), f"version is {shown(row.get('version'))}, not a text")
    for name in ("started_at", "duration"):
        need(row.get(name) is None or _is_time(row[name]), f"{name} is {shown(row.get(name))}, not a time")
    for name, value in row.items():
        if name == "result" or name.startswith("stats_"):
            _numbers(name, value, due)
    samples = row.get("samples")
    need(samples is None or (isinstance(samples, list) and len(samples) == due), "samples is not one list a result")
    return row


def _product(counts: Sequence[int], enough: int) -> int:
    """Multiply, but not beyond what is enough: a hostile file could ask for a number of millions of digits."""
    product = int(0 not in counts)
    for count in counts:
        product *= count
        if product > enough:
            break
    return product


def _numbers(name: str, values: Any, due: int) -> None:
    if values is None:
        return
    need(isinstance(values, list), f"{name} is {shown(values)}, not a list")
    need(len(values) == due, f"{name} has {len(values)} values, not {due}")
    for value in values:
        need(isinstance(value, NUMBER), f"{name} holds {shown(value)}, not a number")


def _floats(columns: Sequence[list[Any]]) -> NDArray[np.float64]:
    try:
        found = np.array(columns, dtype=np.float64).reshape(3, -1)
    except OverflowError:
        raise MalformedError("results hold an integer that is too large for any measurement") from None
    need(not np.isinf(found[0]).any(), "results hold Infinity, on which asv would hang")
    found[np.isinf(found)] = np.nan
    return found


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
