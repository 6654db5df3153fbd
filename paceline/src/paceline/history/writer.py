"""Writes into a folder of results: whole files or none, whoever else writes, and whatever kills the process.

A result is a new file of its own name, written beside its place and renamed: a run that is there was finished, and no
run touches another's. The two files that runs share are replaced in the same way, `benchmarks.json` under a lock that
ends with its process. It gets what it lacks before the result is there, so that asv finds what it needs to show that;
what it has is replaced afterwards, so that of runs that do so at once the last one knows the results of all.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from paceline.errors import PacelineError
from paceline.history.asv_files import OURS, benchmarks_file, machine_file
from paceline.history.document import benchmark_entries, benchmarks_document, machine_document
from paceline.history.strict import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from paceline.history.asv_files import Result
    from paceline.history.document import Measured

MACHINE_FILE = "machine.json"
BENCHMARKS_FILE = "benchmarks.json"
LOCK = ".benchmarks.lock"
UNFINISHED = ".unfinished-"
FORGOTTEN = 24 * 3600  # seconds after which an unfinished file belongs to a process that was killed


def record(
    results: Path, document: Mapping[str, Any], measured: Sequence[Measured], machine: Mapping[str, str]
) -> Path:
    """Add a run; returns its file. Raises PacelineError if it cannot be written."""
    started = min((each.started for each in measured if each.started), default=int(1000 * time.time()))
    moment = datetime.fromtimestamp(started / 1000, UTC).strftime("%Y%m%dT%H%M%S")
    name = f"{document['commit_hash'][:8]}-{moment}-{secrets.token_hex(4)}.json"
    return add(results, name, document, benchmark_entries(measured), machine)


def add(
    results: Path,
    name: str,
    document: Mapping[str, Any],
    entries: Mapping[str, Mapping[str, Any]],
    machine: Mapping[str, str],
) -> Path:
    """Add a result file of this name. Raises PacelineError if it cannot be written."""
    folder = results / machine["machine"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_forgotten(folder)
        _remove_forgotten(results)
        if _machine_of(folder / MACHINE_FILE) is None:
            _replace(folder / MACHINE_FILE, machine_document(machine))
        made = of_all_results(results) if listed(results) is None else {}
        merge_benchmarks(results, {**entries, **made})
        _replace(folder / name, document)
    except OSError as error:
        raise PacelineError(
            f"cannot write to {error.filename or folder}: {error.strerror}; the run was not recorded"
        ) from error
    if not document[OURS]["dirty"]:
        with contextlib.suppress(OSError):  # the run is recorded, and a later one makes up for this
            renew_benchmarks(results, entries)
    return folder / name


def merge_benchmarks(results: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Add to `benchmarks.json` what it lacks of `entries`; what it has stays. Raises OSError."""
    known = listed(results)
    if known is not None and known.keys() >= entries.keys():
        return
    with _lock(results / LOCK):
        _replace(results / BENCHMARKS_FILE, benchmarks_document({**entries, **(listed(results) or {})}))


def renew_benchmarks(results: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace what differs in `benchmarks.json` by those `entries` that are of the version of the newest result.

    The last who writes need not be the newest: old commits are measured later, too. Raises OSError.
    """
    if _agree(listed(results), entries):
        return
    with _lock(results / LOCK):
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
        return benchmarks_file((results / BENCHMARKS_FILE).read_bytes())[0]
    except (OSError, MalformedError):
        return None


def _machine_of(path: Path) -> dict[str, Any] | None:
    try:
        return machine_file(path.read_bytes())
    except (OSError, MalformedError):
        return None


def of_all_results(results: Path) -> dict[str, dict[str, Any]]:
    """Make an entry of each benchmark's newest result, by the date of its commit; clean ones come before others."""
    from paceline.history.store import sound

    def age(result: Result) -> tuple[bool, int, int]:
        about = json.loads(result.about)
        return not about["dirty"], about["date"], about["started"]

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
    """Write a file beside its place, make it durable, and rename it. Raises OSError."""
    beside = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("x", encoding="utf-8", newline="\n") as file:
            json.dump(document, file, indent=None if "results" in document else 1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a new name durable; Windows does so by itself, and cannot open folders."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_forgotten(folder: Path) -> None:
    for path in folder.glob(f"{UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > FORGOTTEN:
                path.unlink()


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock of the operating system, which ends it with the process."""
    with path.open("a+b") as file:
        _locking()(file)
        yield  # closing the file unlocks it


def _locking() -> Callable[[IO[bytes]], None]:
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows
    return lambda file: fcntl.flock(file, fcntl.LOCK_EX)


def _lock_on_windows(file: IO[bytes]) -> None:
    import msvcrt

    while True:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]  # on Windows only
        except OSError:  # after ten attempts, one a second
            continue
        return
