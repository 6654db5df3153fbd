"""Reads recorded runs strictly before they join the history, and merges asv's shared files."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from paceline.system import strict
from paceline.system.strict import MalformedError, quoted

from hub import job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LARGEST = 2_000_000  # bytes of a file
MOST = 200  # files of one job
MACHINE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
NAMES = rf"benchmarks\.json|{MACHINE}/(?:machine|[0-9a-f]{{8}}-[A-Za-z0-9._-]{{1,120}})\.json"
BENCHMARK = r"[ -~]{1,300}"  # printable; the pages escape it
DEPTH = 8

#: asv writes the interval of a median that rests on few samples as infinite, and its tools expect that.
INFINITE = ("Infinity", "-Infinity")
UNBOUNDED = (math.inf, -math.inf)
INTERVAL = ("stats_ci_99_a", "stats_ci_99_b")

RUN = {"commit_hash", "env_name", "date", "params", "python", "requirements", "result_columns", "results", "version"}
RUN_TOO = {"env_vars", "durations", "paceline"}
MACHINE_KEYS = {"machine", "version"}
MACHINE_TOO = {"os", "arch", "cpu", "num_cpu", "ram", "formerly"}
FORMAT = {"run": 2, "machine": 1, "benchmarks": 2}  # asv's api_version of each


def is_shared(name: str) -> bool:
    """Return whether runs share this file, so that it is merged; any other file never changes."""
    return name.rpartition("/")[2] in {"machine.json", "benchmarks.json"}


def check(files: Mapping[str, bytes], commit: str) -> None:
    """Raise MalformedError unless the files are a valid run of this commit."""
    for name, content in files.items():
        folder, _, last = name.rpartition("/")
        document = strict.loads(content, name, () if is_shared(name) else INFINITE)
        if last == "benchmarks.json":
            _check_depth(document, name)
            _check_benchmarks(document, name)
        elif last == "machine.json":
            _check_machine(document, name, folder)
        else:
            _check_run(document, name, folder, commit)
    machines = {name.partition("/")[0] for name in files if "/" in name}
    for machine in sorted(machines):
        if f"{machine}/machine.json" not in files:
            raise MalformedError(f"{machine}: missing machine.json, without which asv skips the folder")
    if not any(not is_shared(name) for name in files):
        raise MalformedError("no run was recorded")


def merge(old: bytes, new: bytes, where: str, newest: Callable[[], Mapping[str, str]] = dict) -> bytes:
    """Return the union of a shared file's versions: what is there stays, unless the newest result is of the other's.

    That is the rule of paceline's own writer, as a run of an old commit may come last. `newest` returns the version
    of each benchmark's newest result, and is asked only where the two disagree.
    """
    there, added = strict.loads(old, where), strict.loads(new, where)
    if where.endswith("machine.json"):
        merged = {**added, **{name: value for name, value in there.items() if value not in ("", None)}}
    else:
        merged = {**added, **there}
        if changed := [name for name, entry in added.items() if merged[name] != entry]:
            versions = newest()
            merged |= {name: added[name] for name in changed if added[name].get("version") == versions.get(name)}
    return old if merged == there else json.dumps(merged, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


def newest_versions(runs: Iterable[bytes]) -> dict[str, str]:
    """Return the version of each benchmark's newest result, by its commit's date; clean ones come before others."""
    found: dict[str, tuple[bool, int, str]] = {}
    for run in map(json.loads, runs):
        age = not job.path(run, "paceline", "dirty"), run["date"]
        column = run["result_columns"].index("version")
        for name, row in run["results"].items():
            if row[0] and len(row) > column:
                found[name] = max(found.get(name, (False, 0, "")), (*age, row[column]))
    return {name: version for name, (*_, version) in found.items()}


def _check_run(document: Any, where: str, machine: str, commit: str) -> None:
    run = strict.table(document, where, RUN, RUN_TOO)
    _check_format(run, where, "run")
    if strict.text(run["commit_hash"], f"{where}.commit_hash", job.COMMIT) != commit:
        raise MalformedError(f"{where}: is of commit {run['commit_hash']}, but this job ran for {commit}")
    if not where.rpartition("/")[2].startswith(commit[:8]):
        raise MalformedError(f"{where}: is not named after its commit {commit[:8]}")
    strict.count(run["date"], f"{where}.date", 10**14)
    for name in ("params", "requirements", "env_vars", "durations", "paceline"):
        strict.table(run.get(name, {}), f"{where}.{name}", (), run.get(name, {}))
    if run["params"].get("machine") != machine:
        raise MalformedError(f"{where}: is of machine {quoted(run['params'].get('machine'))}, not of {machine}")
    columns = strict.array(run["result_columns"], f"{where}.result_columns", 30)
    if columns[:2] != ["result", "params"]:
        raise MalformedError(f"{where}: result_columns begin with {quoted(columns[:2])}")
    rows = strict.table(run["results"], f"{where}.results", (), run["results"])
    for name, row in rows.items():
        strict.text(name, f"{where}.results", BENCHMARK)
        _check_row(row, f"{where}: {quoted(name)}", columns)
    _check_depth(run, where)


def _check_row(row: Any, where: str, columns: list[Any]) -> None:
    if not strict.array(row, where, len(columns)):
        raise MalformedError(f"{where}: an empty row")
    for place, column in enumerate(columns[: len(row)]):
        if column in INTERVAL and row[place] is not None:
            row[place] = [None if value in UNBOUNDED else value for value in strict.array(row[place], where, 10_000)]
    for value in strict.array(row[0], f"{where}.result", 10_000):
        strict.nothing_or(strict.number, value, f"{where}.result")


def _check_machine(document: Any, where: str, folder: str) -> None:
    machine = strict.table(document, where, MACHINE_KEYS, MACHINE_TOO)
    _check_format(machine, where, "machine")
    for name in MACHINE_TOO & set(machine):
        strict.text(machine[name], f"{where}.{name}", r"[ -~]{0,200}")
    if machine["machine"] != folder:
        raise MalformedError(f"{where}: is of machine {quoted(machine['machine'])}, not of {folder}")


def _check_benchmarks(document: Any, where: str) -> None:
    benchmarks = dict(strict.table(document, where, ["version"], document))
    _check_format(benchmarks, where, "benchmarks")
    del benchmarks["version"]
    for name, benchmark in benchmarks.items():
        strict.text(name, where, BENCHMARK)
        # asv crashes where one of these is missing.
        entry = strict.table(benchmark, f"{where}: {quoted(name)}", ["name", "params", "param_names"], benchmark)
        if entry["name"] != name:
            raise MalformedError(f"{where}: {quoted(name)} calls itself {quoted(entry['name'])}")


def _check_format(document: Mapping[str, Any], where: str, kind: str) -> None:
    version = document["version"]
    if isinstance(version, bool) or version != FORMAT[kind]:
        raise MalformedError(f"{where}: version {quoted(version)} is not {FORMAT[kind]}")


def _check_depth(document: Any, where: str, left: int = DEPTH) -> None:
    """Raise MalformedError for deep nesting, and for numbers that no float can hold."""
    if left == 0:
        raise MalformedError(f"{where}: nested more than {DEPTH} deep")
    if isinstance(document, dict):
        document = document.values()
    elif not isinstance(document, list):
        is_number = isinstance(document, (int, float)) and not isinstance(document, bool)
        if is_number and not (abs(document) <= strict.LARGEST and math.isfinite(document)):
            raise MalformedError(f"{where}: {quoted(document)} is too large")
        return
    for each in document:
        _check_depth(each, where, left - 1)


def commit_message(files: Mapping[str, bytes], commit: str) -> str:
    """Return a commit message of one line. Paths begin at the root of the branch."""
    machines = sorted({name.split("/")[1] for name in files if name.endswith("/machine.json")})
    return f"Add {commit[:12]} on {', '.join(machines)}"
