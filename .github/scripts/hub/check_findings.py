"""Reads the findings of `paceline check --json` strictly: the names in it are untrusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paceline.system import strict

from hub import job

FILE = "check.json"
LARGEST = 8_000_000
MOST = 5_000
SCHEMA = 2
KINDS = {"slower", "faster", "suite-slower", "suite-faster"}
STATES = {"new", "accepted", "recovered", "gone"}
FINDING = {
    "id", "kind", "state", "benchmark", "parameters", "machines", "elsewhere", "engine", "environment", "ratio",
    "low", "high", "before", "after", "at", "commits", "date", "dependencies", "facts", "accepted", "evidence",
}  # fmt: skip
LATER = {"left"}  # fields that schema 2 got later
LINE = r"[^\x00-\x1f\x7f]{0,400}"


@dataclass(frozen=True)
class ChangePoint:
    """One change. `ratio` is the time after over the time before, and `left` what later changes left of it.

    `benchmark` is `name` with its parameters; it is empty for the whole suite.
    `changes` are (name, before, after).

    `is_alarm`: slower, and neither accepted nor recovered.
    """

    id: str
    kind: str
    name: str
    benchmark: str
    machines: tuple[str, ...]
    elsewhere: str
    engine: str
    ratio: float
    left: float
    low: float | None
    high: float | None
    before: str
    after: str
    commits: tuple[str, ...]
    date: str
    changes: tuple[tuple[str, str, str], ...]
    is_alarm: bool


def read(content: bytes) -> list[ChangePoint]:
    """Read the document. Raises MalformedError."""
    document = strict.table(strict.loads(content, FILE), FILE, {"schema", "findings"}, {"quarantined", "notices"})
    if document["schema"] != SCHEMA or isinstance(document["schema"], bool):
        raise strict.MalformedError(f"{FILE}: schema {strict.quoted(document['schema'])} is not {SCHEMA}")
    rows = strict.array(document["findings"], "findings", MOST)
    found = [_change_point(row, f"findings[{place}]") for place, row in enumerate(rows)]
    if len({each.id for each in found}) < len(found):
        raise strict.MalformedError("findings: duplicate id")
    return found


def _change_point(row: Any, where: str) -> ChangePoint:
    row = strict.table(row, where, FINDING, LATER)
    parameters = _lines(row["parameters"], f"{where}.parameters")
    name = strict.text(row["benchmark"], f"{where}.benchmark", LINE)
    strict.nothing_or(_table, row["accepted"], f"{where}.accepted")
    kind = strict.one_of(row["kind"], f"{where}.kind", KINDS)
    state = strict.one_of(row["state"], f"{where}.state", STATES)
    return ChangePoint(
        id=strict.text(row["id"], f"{where}.id", r"[0-9A-Za-z._-]{4,64}"),
        kind=kind,
        name=name,
        benchmark=f"{name}({', '.join(parameters)})" if parameters else name,
        machines=tuple(_lines(row["machines"], f"{where}.machines")),
        elsewhere=strict.nothing_or(_line, row["elsewhere"], f"{where}.elsewhere") or "measured nowhere else",
        engine=strict.text(row["engine"], f"{where}.engine", LINE),
        ratio=strict.number(row["ratio"], f"{where}.ratio"),
        left=strict.number(row.get("left", row["ratio"]), f"{where}.left"),
        low=strict.nothing_or(strict.number, row["low"], f"{where}.low"),
        high=strict.nothing_or(strict.number, row["high"], f"{where}.high"),
        before=strict.text(row["before"], f"{where}.before", job.COMMIT),
        after=strict.text(row["after"], f"{where}.after", job.COMMIT),
        commits=tuple(
            strict.text(each, f"{where}.commits", job.COMMIT)
            for each in strict.array(row["commits"], f"{where}.commits", 100_000)
        ),
        date=strict.text(row["date"], f"{where}.date", r"[0-9T:.+-]{10,40}"),
        changes=tuple(
            _change(each, f"{where}.{kind}")
            for kind in ("dependencies", "facts")
            for each in strict.array(row[kind], f"{where}.{kind}", 2_000)
        ),
        is_alarm=kind.endswith("slower") and state == "new",
    )


def _change(value: Any, where: str) -> tuple[str, str, str]:
    row = strict.table(value, where, {"name", "before", "after"})
    name, before, after = (
        strict.nothing_or(_line, row[key], f"{where}.{key}") or "none" for key in ("name", "before", "after")
    )
    return name, before, after


def _table(value: Any, where: str) -> dict[str, Any]:
    return strict.table(value, where, (), ("reason", "date"))


def _line(value: Any, where: str) -> str:
    return strict.text(value, where, LINE)


def _lines(value: Any, where: str) -> list[str]:
    return [_line(each, where) for each in strict.array(value, where, 1_000)]
