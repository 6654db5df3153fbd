"""Writes into a folder of results: whole files or none, whoever else writes, and whatever kills the process.

A result is a new file of its own name, written beside its place and renamed: a run that is there was finished, and no
run touches another's. It is written first, and gets its name even if all that follows goes wrong.

The two files that runs share are replaced in the same way, `benchmarks.json` under a lock that ends with its process.
It gets what it lacks before the result has its name, so that asv finds what it needs to show that; what it has is
replaced afterwards, so that of runs that do so at once the last one knows the results of all.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError, why
from paceline.history.asv.asv_files import BENCHMARKS_FILE, MACHINE_FILE, OURS, benchmarks_file, machine_file
from paceline.history.intake.document import benchmark_entries, benchmarks_document, machine_document
from paceline.system import files, locks
from paceline.system.strict import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from paceline.history.asv.asv_files import Result
    from paceline.history.intake.document import Measured

LOCK = ".benchmarks.lock"
FORGOTTEN = 24 * 3600  # seconds after which an unfinished file belongs to a process that was killed
PATIENCE = 60.0  # seconds to wait for other writers; one may have been stopped with the lock in its hand


def record(
    results: Path,
    document: Mapping[str, Any],
    measured: Sequence[Measured],
    machine: Mapping[str, str],
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Add a run; returns its file, and tells what is wrong around it.

    Raises PacelineError if it cannot be written, which says where it is kept instead.
    """
    started = min((each.started for each in measured if each.started), default=int(1000 * time.time()))
    moment = datetime.fromtimestamp(started / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    name = f"{document['commit_hash'][:8]}-{moment}-{secrets.token_hex(4)}.json"
    new = _Addition(name, document, benchmark_entries(measured), machine)
    try:
        return _add(results, new, tell)
    except OSError as error:
        folder = results / machine["machine"]
        kept = _kept(name, document, folder)
        raise PacelineError(f"cannot write to {error.filename or folder}: {why(error)}. {kept}") from error


def _kept(name: str, document: Mapping[str, Any], folder: Path) -> str:
    """Keep a run that has no place among the results, and say where: it may have taken hours."""
    try:
        path = Path(tempfile.mkdtemp(prefix="paceline-run-")) / name
        _replace(path, document)
    except OSError:
        return "The run was not recorded."
    return f"The run is kept in {path}: move it into {folder} once that can be written."


def add(
    results: Path,
    name: str,
    document: Mapping[str, Any],
    entries: Mapping[str, Mapping[str, Any]],
    machine: Mapping[str, str],
) -> Path:
    """Add a result file of this name. Raises PacelineError if it cannot be written."""
    try:
        return _add(results, _Addition(name, document, entries, machine), lambda _: None)
    except OSError as error:
        raise PacelineError(f"cannot write to {error.filename or results}: {why(error)}") from error


@dataclass(frozen=True)
class _Addition:
    """A result file to be, what asv must know of its benchmarks, and asv's fields of its machine."""

    name: str
    document: Mapping[str, Any]
    entries: Mapping[str, Mapping[str, Any]]
    machine: Mapping[str, str]


def _add(results: Path, new: _Addition, tell: Callable[[str], None]) -> Path:
    folder = results / new.machine["machine"]
    folder.mkdir(parents=True, exist_ok=True)
    with files.placed(folder / new.name, _text(new.document)):
        is_listed = _tried(lambda: _list(results, new), tell)
    if is_listed and not new.document[OURS]["dirty"]:
        _tried(lambda: renew_benchmarks(results, new.entries), tell)
    return folder / new.name


def _list(results: Path, new: _Addition) -> None:
    """Write what asv needs beside a result."""
    folder = results / new.machine["machine"]
    _remove_forgotten(folder)
    _remove_forgotten(results)
    if _machine_of(folder / MACHINE_FILE) is None:
        _replace(folder / MACHINE_FILE, machine_document(new.machine))
    made = of_all_results(results) if listed(results) is None else {}
    merge_benchmarks(results, {**new.entries, **made})


def _tried(act: Callable[[], None], tell: Callable[[str], None]) -> bool:
    """Whether it went well; an error is told, as a later run writes what this one could not."""
    try:
        act()
    except (OSError, PacelineError) as error:
        said = f"{error.filename or 'the lock'}: {why(error)}" if isinstance(error, OSError) else error
        tell(f"the run is recorded, but asv's pages may lack new benchmarks until a later run lists them: {said}")
        return False
    return True


def merge_benchmarks(results: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Add to `benchmarks.json` what it lacks of `entries`; what it has stays. Raises OSError."""
    known = listed(results)
    if known is not None and known.keys() >= entries.keys():
        return
    with locks.held(results / LOCK):
        _replace(results / BENCHMARKS_FILE, benchmarks_document({**entries, **(listed(results) or {})}))


def renew_benchmarks(results: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace what differs in `benchmarks.json` by those `entries` that are of the version of the newest result.

    The last who writes need not be the newest: old commits are measured later, too. Raises OSError.
    """
    if _agree(listed(results), entries):
        return
    with locks.held(results / LOCK):
        newest = of_all_results(results)
        current = {
            name: entry
            for name, entry in entries.items()
            if name in newest and entry.get("version") == newest[name]["version"]
        }
        before = listed(results) or {}
        if not _agree(before, current):
            _replace(results / BENCHMARKS_FILE, benchmarks_document({**before, **current}))


def _agree(known: Mapping[str, Any] | None, entries: Mapping[str, Any]) -> bool:
    return known is not None and all(known.get(name) == entry for name, entry in entries.items())


def listed(results: Path) -> dict[str, dict[str, Any]] | None:
    """Return the entries of `benchmarks.json`; None if there is none that can be read."""
    try:
        return benchmarks_file(files.read(results / BENCHMARKS_FILE))[0]
    except (OSError, MalformedError):
        return None


def _machine_of(path: Path) -> dict[str, Any] | None:
    try:
        return machine_file(files.read(path))
    except (OSError, MalformedError):
        return None


def of_all_results(results: Path) -> dict[str, dict[str, Any]]:
    """Make an entry of each benchmark's newest result, by the date of its commit; clean ones come before others."""
    from paceline.history.asv.store import sound

    def age(result: Result) -> tuple[bool, int, int]:
        return not result.about.dirty, result.about.date, result.about.started

    found: dict[str, dict[str, Any]] = {}
    newest_first = sorted((result for _, result in sound(results).results), key=age, reverse=True)
    for rows in dict.fromkeys(result.shared.rows for result in newest_first):
        for name, params, version, count in json.loads(rows):
            if count:
                names = [f"param{number + 1}" for number in range(len(params))]
                entry = {"name": name, "params": params, "param_names": names, "type": "time", "unit": "seconds"}
                found.setdefault(name, {**entry, "version": version or "", "code": ""})
    return found


def _replace(path: Path, document: Mapping[str, Any]) -> None:
    """Write a file as a whole or not at all. Raises OSError."""
    with files.placed(path, _text(document)):
        pass


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=None if "results" in document else 1) + "\n"


def _remove_forgotten(folder: Path) -> None:
    for path in folder.glob(f"{files.UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > FORGOTTEN:
                path.unlink()
