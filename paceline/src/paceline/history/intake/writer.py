"""Writes into a folder of results: whole files or none, even if others write too or the process is killed.

A result is a new file, written under a temporary name and renamed, so every result that is there is complete. It is
written first, and renamed even if all else fails. The files that runs share are replaced in the same way.

`benchmarks.json` is written under a lock: new entries before the result is renamed, as asv needs them to show it.
Changed entries follow afterwards, so that of several runs the last one has seen the results of all.
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
from paceline.history.asv.asv_files import BENCHMARKS_FILE, MACHINE_FILE, OURS, benchmarks_file, kind_of, machine_file
from paceline.history.intake.document import benchmark_entries, benchmarks_document, machine_document
from paceline.system import files, locks
from paceline.system.strict import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from paceline.history.asv.asv_files import Header
    from paceline.history.intake.document import Measured

LOCK = ".benchmarks.lock"
FORGOTTEN = 24 * 3600  # seconds after which an unfinished file belongs to a process that was killed


def record(
    results: Path,
    document: Mapping[str, Any],
    measured: Sequence[Measured],
    machine: Mapping[str, str],
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Add a run, and return its file; `tell` gets problems that do not prevent that.

    Raises PacelineError if the run cannot be written; the message says where it is kept instead.
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
    """Save a run elsewhere, as it may have taken hours, and return a sentence that says where."""
    try:
        path = Path(tempfile.mkdtemp(prefix="paceline-run-")) / name
        _replace(path, document)
    except OSError:
        return "The run was not recorded."
    return f"The run was saved as {path}. Move it to {folder} when that is writable."


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
    """A result file to write, asv's entries of its benchmarks, and asv's fields of its machine."""

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
    """Write the other files that asv needs for a result."""
    folder = results / new.machine["machine"]
    _remove_forgotten(folder)
    _remove_forgotten(results)
    if _machine_of(folder / MACHINE_FILE) is None:
        _replace(folder / MACHINE_FILE, machine_document(new.machine))
    made = of_all_results(results) if listed(results) is None else {}
    merge_benchmarks(results, {**new.entries, **made})


def _tried(act: Callable[[], None], tell: Callable[[str], None]) -> bool:
    """Return whether an action worked; an error is only reported, as a later run writes what is missing."""
    try:
        act()
    except (OSError, PacelineError) as error:
        reason = f"{error.filename or 'the lock'}: {why(error)}" if isinstance(error, OSError) else error
        tell(f"the run is recorded, but asv's pages may lack new benchmarks until a later run: {reason}")
        return False
    return True


def merge_benchmarks(results: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Add missing `entries` to `benchmarks.json`; existing ones stay. Raises OSError."""
    present = listed(results)
    if present is not None and present.keys() >= entries.keys():
        return
    with locks.held(results / LOCK):
        _replace(results / BENCHMARKS_FILE, benchmarks_document({**entries, **(listed(results) or {})}))


def renew_benchmarks(results: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace entries of `benchmarks.json` by those `entries` that have the version of the newest result.

    The last writer need not have the newest result, as old commits are measured later too. Raises OSError.
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


def _agree(present: Mapping[str, Any] | None, entries: Mapping[str, Any]) -> bool:
    return present is not None and all(present.get(name) == entry for name, entry in entries.items())


def listed(results: Path) -> dict[str, dict[str, Any]] | None:
    """Return the entries of `benchmarks.json`; None if it is missing or cannot be read."""
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
    """Return the entries of a folder's benchmarks, as far as its results know them."""
    from paceline.history.asv.store import sound

    return newest_entries(result for _, result in sound(results).results)


def newest_entries(results: Iterable[Header]) -> dict[str, dict[str, Any]]:
    """Return an entry from each benchmark's newest result by date of commit; clean runs come before dirty ones."""

    def age(result: Header) -> tuple[bool, int, int]:
        return not result.about.dirty, result.about.date, result.about.started

    found: dict[str, dict[str, Any]] = {}
    newest_first = sorted(results, key=age, reverse=True)
    for rows in dict.fromkeys(result.shared.rows for result in newest_first):
        for name, params, version, count in json.loads(rows):
            if count:
                names = [f"param{number + 1}" for number in range(len(params))]
                entry = {"name": name, "params": params, "param_names": names, **kind_of(name)}
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
