"""Change points that somebody has looked at and accepted: a file that is reviewed like code.

It is only ever appended to, so that comments stay. An entry speaks of one change: of a benchmark, at a commit, in
a direction and of a size.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline import files, toml
from paceline.errors import PacelineError, shown, why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from paceline.history.finding import Finding

PATH = Path(".paceline/known.toml")
MARGIN = 3  # values by which the estimated place of a known change may move
HEADER = "# Changes of speed that are known and accepted: `paceline check --accept ID --reason ...` appends here.\n"


@dataclass(frozen=True)
class Known:
    """An accepted change."""

    id: str
    kind: str  #: slower, faster, suite-slower or suite-faster
    benchmark: str  #: as asv names it; "" for a whole suite
    parameters: tuple[str, ...]
    engine: str
    environment: str
    machines: tuple[str, ...]
    commit: str  #: the first that is slower or faster, as far as it was known then
    ratio: float  #: after / before
    reason: str
    date: date

    @property
    def name(self) -> tuple[str, tuple[str, ...], str, str]:
        """What it is of, as `tracks.Track.name`."""
        return self.benchmark, self.parameters, self.engine, self.environment


def read(path: Path) -> tuple[Known, ...]:
    """Return the entries of a file; none if there is no such file. Raises PacelineError if it is malformed."""
    try:
        document = toml.read(path)
    except FileNotFoundError:
        return ()
    unknown = sorted(set(document) - {"known"})
    entries = document.get("known", [])
    if unknown or not isinstance(entries, list):
        raise PacelineError(
            f"{path} has {', '.join(map(shown, unknown)) or 'one [known]'}, but may hold [[known]] entries only"
        )
    return tuple(_entry(path, number, entry) for number, entry in enumerate(entries, 1))


def _entry(path: Path, number: int, entry: Any) -> Known:
    where = f"{path}, entry {number}"
    if not isinstance(entry, dict):
        raise PacelineError(f"{where} is no table: begin it with [[known]]")
    unknown = sorted(set(entry) - {*TEXTS, *LISTS, "ratio", "date"})
    if unknown:
        raise PacelineError(f"{where} has {shown(unknown[0])}, which is no field of an entry: take it out")
    for names, fits, what in FIELDS:
        for name in names:
            if not fits(entry.get(name)):
                raise PacelineError(f"{where}: {name} is {shown(entry.get(name))}, not {what}: correct it")
    if entry["kind"] not in KINDS:
        raise PacelineError(f"{where}: kind is {shown(entry['kind'])}, not one of {', '.join(KINDS)}: correct it")
    lists = {name: tuple(entry[name]) for name in LISTS}
    return Known(**{**entry, **lists, "ratio": float(entry["ratio"])})


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max


TEXTS = ("id", "kind", "benchmark", "engine", "environment", "commit", "reason")
LISTS = ("parameters", "machines")
KINDS = ("slower", "faster", "suite-slower", "suite-faster")
FIELDS = (
    (TEXTS, lambda value: isinstance(value, str), "a text"),
    (LISTS, _is_list_of_texts, "a list of texts"),
    (("ratio",), _is_positive, "a positive number"),
    (("date",), lambda value: isinstance(value, date) and not isinstance(value, datetime), "a date like 2026-11-22"),
)


def accept(path: Path, findings: Iterable[Finding], reason: str) -> None:
    """Append an entry for each finding. The file is replaced as a whole, so that no reader sees half of it."""
    if not reason.strip():
        raise PacelineError("why are these accepted? Say so: --reason 'the new check is worth it'")
    read(path)  # nothing is appended to what cannot be read
    before = files.read(path).decode() if path.exists() else HEADER
    entries = (_text(finding, reason.strip()) for finding in findings)
    after = before + ("" if before.endswith("\n") else "\n") + "".join(entries)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, after)
    except OSError as error:
        raise PacelineError(f"{path} cannot be written ({why(error)}): nothing was accepted") from None


def _text(finding: Finding, reason: str) -> str:
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
    return f"\n[[known]]\n{''.join(lines)}date = {datetime.now(UTC).date().isoformat()}\n"


def _literal(value: object) -> str:
    """Return a TOML value: JSON's texts, lists and numbers are TOML's too, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
