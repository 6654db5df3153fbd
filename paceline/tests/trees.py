"""Folders of results, as asv and paceline write them, made up by tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMNS = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b"]
COLUMNS += ["stats_q_25", "stats_q_75", "stats_number", "stats_repeat", "samples", "profile"]
MACHINE = "lab"


def commit(number: int) -> str:
    """Return a hash that tells its number."""
    return f"{number:08x}".ljust(40, "0")


def row(value: Any = 1.0, params: Sequence[Sequence[str]] = (), version: str = "v1") -> list[Any]:
    """Return a row as asv writes it, the same value for all combinations of parameters."""
    count = 1
    for each in params:
        count *= len(each)
    one = [value] * count
    spread = (
        [None if each is None else each * 0.9 for each in one],
        [None if each is None else each * 1.1 for each in one],
    )
    return [one, list(params), version, 1_700_000_000_000, 0.5, one, one, *spread, [1] * count, [10] * count]


def result(number: int = 1, rows: Mapping[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """Return a result file of asv for a commit, an hour after the one before."""
    document = {
        "commit_hash": commit(number),
        "env_name": "virtualenv-py3.11-numpy",
        "date": 1_700_000_000_000 + number * 3_600_000,
        "params": {"machine": MACHINE, "os": "Linux", "python": "3.11", "numpy": "2.0"},
        "python": "3.11",
        "requirements": {"numpy": "2.0"},
        "env_vars": {},
        "result_columns": COLUMNS,
        "results": {"suite.time_it": row()} if rows is None else rows,
        "durations": {},
        "version": 2,
    }
    return document | changed


def ours(number: int = 1, rows: Mapping[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """Return a result file as paceline records it; `changed` is what differs below its own key."""
    about = {
        "schema": 1,
        "engine": "pytest-benchmark 5.3.1",
        "dirty": False,
        "packages": {"python": "3.11.7", "numpy": "2.0.1"},
        "facts": {"governor": "performance"},
        "benchmarks": {"test_speed.test_it": {"group": "g", "axes": {"size": 3}}},
    }
    rows = {"test_speed.test_it": row()} if rows is None else rows
    return result(number, rows, env_name="pytest", requirements={}, paceline=about | changed)


def write(results: Path, documents: Mapping[str, Any], machine: str = MACHINE) -> Path:
    """Write documents below a machine's folder, by name, with its `machine.json`; returns the folder."""
    folder = results / machine
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "machine.json").write_text(json.dumps({"machine": machine, "version": 1}), encoding="utf-8")
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
    return folder
