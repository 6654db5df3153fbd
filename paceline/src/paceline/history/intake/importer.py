"""Imports pytest-benchmark's JSON files into the history: those of `--benchmark-json` and of `.benchmarks`.

A file becomes one run. Its name is a hash of its content, so that importing it again adds nothing. pytest-benchmark
writes neither memory nor caches, so the machine's name is shorter than that of recorded runs, unless one is given.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from paceline.config import project
from paceline.errors import PacelineError, shown, why
from paceline.history.asv.asv_files import result_file
from paceline.history.intake import provenance, writer
from paceline.history.intake.document import UNVERSIONED, Environment, Measured, benchmark_entries, result_document
from paceline.history.intake.provenance import Provenance
from paceline.history.machine.hardware import Raw, safe
from paceline.history.machine.naming import Machine, classify
from paceline.system import files
from paceline.system.git import GitFailedError
from paceline.system.strict import TOO_DEEP, MalformedError, commit_hash, exact_object, need, text_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COMMIT_SHOWN = 8  # digits of a hash at the beginning of a result's name, as asv has it


@dataclass(frozen=True)
class Imported:
    """The outcome of one file: `written` is its result file, new or from an earlier import; else a `reason`."""

    source: Path
    written: Path | None = None
    is_new: bool = False
    reason: str = ""


def import_all(
    sources: Sequence[Path], results: Path, *, repository: Path, machine: str | None = None
) -> Iterator[Imported]:
    """Import files, and all files in folders; yield an outcome for each file.

    `repository` is searched for dates of commits that a file lacks; it need not be a repository. `machine` is a name
    of the history. Raises PacelineError if nothing can be written.
    """
    if machine is not None and (safe(machine) != machine or not machine):
        raise PacelineError(
            f"--machine: expected a name of a-z, 0-9, `.`, `_` and `-`, got {machine!r}. See `paceline machine`."
        )
    for source in sources:
        paths = sorted(source.rglob("*.json")) if source.is_dir() else [source]
        if not paths:
            yield Imported(source, reason="no JSON files in this folder")
        for path in paths:
            yield _import(path, results, repository, machine)


def _import(path: Path, results: Path, repository: Path, machine: str | None) -> Imported:
    try:
        raw = files.read(path)
        document = exact_object(raw)
        head = _provenance(document, repository)
        digest = hashlib.sha256(raw).hexdigest()[:16]
        name = f"{head.commit[:COMMIT_SHOWN]}-import-{digest}.json"
        before = next(results.glob(f"*/{name}"), None)
        if before is not None:
            return Imported(path, before)
        measured = _benchmarks(document)
        place = _place(path, repository, measured[0].test)
        measured = [replace(each, test=place + each.test) for each in measured]
        environment = _environment(document, machine)
        result = result_document(measured, head, environment)
        result_file(json.dumps(result).encode())  # nothing that was overlooked above may join the history
    except OSError as error:
        return Imported(path, reason=why(error))
    except MalformedError as error:
        return Imported(path, reason=str(error))
    except RecursionError:
        return Imported(path, reason=TOO_DEEP)
    written = writer.add(results, name, result, benchmark_entries(measured), environment.machine_file)
    return Imported(path, written, is_new=True)


def _place(path: Path, here: Path, test: str) -> str:
    """Return the folder, below the project's root, in which the tests were run; the file does not say.

    It is the nearest folder that has the test: files are usually in the folder in which pytest was run.
    """
    root, module = project.find_root(here).resolve(), test.partition("::")[0]
    for folder in (*path.resolve().parents, here.resolve(), *here.resolve().parents):
        if folder.is_relative_to(root) and os.path.isfile(folder / module):  # noqa: PTH113  # raises for none
            return project.place(folder, root)
    return ""


def _table(document: Any, name: str) -> dict[str, Any]:
    need(isinstance(document, dict), "expected an object, got {}", document)
    need(isinstance(document.get(name), dict), "{}: expected an object, got {}", name, document.get(name))
    found: dict[str, Any] = document[name]
    return found


def _provenance(document: dict[str, Any], repository: Path) -> Provenance:
    about = _table(document, "commit_info")
    commit = commit_hash(about, "id")
    for name in ("author_time", "time"):
        moment = _moment(about.get(name))
        if moment is not None:
            return Provenance(commit, moment, dirty=bool(about.get("dirty")))
    with contextlib.suppress(GitFailedError, PacelineError):
        return Provenance(commit, provenance.of_commit(repository, commit).date, dirty=bool(about.get("dirty")))
    raise MalformedError(
        f"no date for commit {commit[:12]}: neither commit_info nor the repository has one. Fetch the commit"
    )


def _moment(date: Any) -> int | None:
    """Return the milliseconds since 1970 of a date in ISO format; None for anything else."""
    try:
        return int(1000 * datetime.fromisoformat(date).timestamp())
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _benchmarks(document: dict[str, Any]) -> list[Measured]:
    listed = document.get("benchmarks")
    need(isinstance(listed, list) and bool(listed), "benchmarks: expected a list with entries, got {}", listed)
    started = _moment(document.get("datetime"))
    found = []
    for each in listed or ():
        stats = _table(each, "stats")
        name = text_in(each, "fullname")
        try:
            found.append(_measured(name, each, stats, started))
        except MalformedError as reason:
            raise MalformedError(f"benchmark {shown(name)}: {reason}") from None
    return found


def _measured(name: str, each: dict[str, Any], stats: dict[str, Any], started: int | None) -> Measured:
    samples = stats.get("data") or []
    need(isinstance(samples, list), "data: expected a list, got {}", samples)
    for sample in samples:
        _positive(sample, "data")
    low, median, high = (_positive(stats.get(key), key) for key in ("q1", "median", "q3"))
    group, axes, extra = each.get("group") or "", each.get("params") or {}, each.get("extra_info") or {}
    need(isinstance(group, str), "group: expected a string, got {}", group)
    need(isinstance(axes, dict), "params: expected an object, got {}", axes)
    need(isinstance(extra, dict), "extra_info: expected an object, got {}", extra)
    return Measured(
        test=name,
        samples=[float(sample) for sample in samples],
        quartiles=(low, median, high),
        number=_count(stats.get("iterations", 1), "iterations"),
        repeat=_count(stats.get("rounds"), "rounds"),
        started=started,
        group=group,
        axes=axes,
        version=str(extra.get("version", UNVERSIONED)),
    )


def _positive(value: Any, name: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    need(is_number and 0 < value <= sys.float_info.max, "{}: expected a positive time, got {}", name, value)
    return float(value)


def _count(value: Any, name: str) -> int:
    need(type(value) is int and value > 0, "{}: expected a positive count, got {}", name, value)
    return int(value)


def _environment(document: dict[str, Any], machine: str | None) -> Environment:
    info = _table(document, "machine_info")
    python = text_in(info, "python_version")
    version = text_in(document, "version")
    found = _machine(info)
    named = found.as_asv() | ({"machine": machine} if machine else {})
    known = {"cpu": found.raw.brand, "kernel": str(info.get("release", "")), "python": _python(info, python)}
    return Environment(
        machine=named,
        engine=f"pytest-benchmark {version}",
        python=".".join(python.split(".")[:2]),
        packages={"python": python},
        facts={name: said for name, said in known.items() if said},
        former=() if machine else found.former,
    )


def _python(info: dict[str, Any], version: str) -> str:
    said = [info.get("python_implementation"), version, info.get("python_compiler")]
    return " ".join(str(each) for each in said if each)


def _machine(info: dict[str, Any]) -> Machine:
    cpu = info.get("cpu")
    cpu = cpu if isinstance(cpu, dict) else {}
    flags = cpu["flags"] if isinstance(cpu.get("flags"), list) else []
    numbers = {name: cpu.get(name) for name in ("family", "model", "stepping", "count")}
    number = {name: value if type(value) is int else 0 for name, value in numbers.items()}
    return classify(
        Raw(
            system=text_in(info, "system"),
            architecture=text_in(info, "machine"),
            brand=str(cpu.get("brand_raw") or info.get("processor") or ""),
            vendor=str(cpu.get("vendor_id_raw") or ""),
            family=number["family"],
            model=number["model"],
            stepping=number["stepping"],
            flags=frozenset(each for each in flags if isinstance(each, str)),
            cores=number["count"] or 1,
        )
    )
