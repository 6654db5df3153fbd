"""Reads and writes the file of accepted changes, which is reviewed like code.

Entries are only appended, so that comments stay. An entry accepts one change: of a benchmark, at a commit, in a
direction and of a size.
"""

from __future__ import annotations

import itertools
import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError, shown, why
from paceline.report.changes import Accepted
from paceline.system import files, toml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paceline.report.changes import Change

PATH = Path(".paceline/accepted.toml")
FORMER = Path(".paceline/known.toml")
MARGIN = 3  # values by which the estimated place of an accepted change may move
HEADER = "# Changes that were reviewed and may stay. `paceline check --accept ID --reason ...` appends entries.\n"


def file_of(root: Path) -> Path:
    """Return a project's file of accepted changes; the one with the former name only if there is no other."""
    former = root / FORMER
    return former if former.exists() and not (root / PATH).exists() else root / PATH


def notices(path: Path) -> tuple[str, ...]:
    """Return the notices about the file."""
    if path.name != FORMER.name:
        return ()
    return (f"{path} has its former name. Rename it to {PATH.name}, and [[known]] in it to [[accepted]]",)


def read(path: Path) -> tuple[Accepted, ...]:
    """Return the entries of a file; none if there is no such file. Raises PacelineError if it is malformed."""
    try:
        document = toml.read(path)
    except FileNotFoundError:
        return ()
    unknown = sorted(set(document) - {*TABLES})
    tables = [document.get(name, []) for name in TABLES]
    if unknown or not all(isinstance(table, list) for table in tables):
        found = ", ".join(map(shown, unknown)) or "a single [accepted]"
        raise PacelineError(f"cannot read {path}: expected only [[accepted]] entries, got {found}. Fix the file.")
    entries = itertools.chain.from_iterable(tables)
    return tuple(_entry(path, number, entry) for number, entry in enumerate(entries, 1))


def _entry(path: Path, number: int, entry: Any) -> Accepted:
    where = f"cannot read {path}: entry {number}"
    if not isinstance(entry, dict):
        raise PacelineError(f"{where}: expected a table, got {shown(entry)}. Begin it with [[accepted]].")
    unknown = sorted(set(entry) - {*TEXTS, *LISTS, "ratio", "date"})
    if unknown:
        raise PacelineError(f"{where}: no field {shown(unknown[0])}. Remove it.")
    for names, fits, expected in FIELDS:
        for name in names:
            if not fits(entry.get(name)):
                raise PacelineError(f"{where}: {name}: expected {expected}, got {shown(entry.get(name))}. Fix it.")
    if entry["kind"] not in KINDS:
        raise PacelineError(f"{where}: kind: expected one of {', '.join(KINDS)}, got {shown(entry['kind'])}. Fix it.")
    lists = {name: tuple(entry[name]) for name in LISTS}
    return Accepted(**{**entry, **lists, "ratio": float(entry["ratio"])})


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max


TABLES = ("known", "accepted")  # the former name first, as its entries are older
TEXTS = ("id", "kind", "benchmark", "engine", "environment", "commit", "reason")
LISTS = ("parameters", "machines")
KINDS = ("slower", "faster", "suite-slower", "suite-faster")
FIELDS = (
    (TEXTS, lambda value: isinstance(value, str), "a string"),
    (LISTS, _is_list_of_texts, "a list of strings"),
    (("ratio",), _is_positive, "a positive number"),
    (("date",), lambda value: isinstance(value, date) and not isinstance(value, datetime), "a date like 2026-11-22"),
)


def accept(path: Path, findings: Iterable[Change], reason: str) -> None:
    """Append an entry for each change; the file is replaced as a whole, so that no reader sees half of it."""
    if not reason.strip():
        raise PacelineError("--accept needs a reason. Add it, such as --reason 'the new check is worth it'.")
    read(path)  # do not append to a malformed file
    before = files.read(path).decode() if path.exists() else HEADER
    entries = (_text(finding, reason.strip()) for finding in findings)
    after = before + ("" if before.endswith("\n") else "\n") + "".join(entries)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, after)
    except OSError as error:
        raise PacelineError(
            f"cannot write {path}: {why(error)}. Nothing was accepted. Make it writable, and accept again."
        ) from None


def _text(finding: Change, reason: str) -> str:
    fields = {
        "id": finding.id,
        "kind": finding.kind,
        "benchmark": finding.benchmark,
        "parameters": list(finding.parameters),
        "engine": finding.engine,
        "environment": finding.environment,
        "machines": list(finding.machines),
        "commit": finding.at,
        "ratio": round(finding.ratio, 6),
        "reason": reason,
    }
    lines = (f"{name} = {_literal(value)}\n" for name, value in fields.items())
    return f"\n[[accepted]]\n{''.join(lines)}date = {datetime.now(UTC).date().isoformat()}\n"


def _literal(value: object) -> str:
    """Return a TOML value: JSON's strings, lists and numbers are valid TOML, except for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
