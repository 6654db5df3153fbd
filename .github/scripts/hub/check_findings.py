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
    "left", "low", "high", "before", "after", "at", "commits", "date", "dependencies", "facts", "accepted", "cause",
    "evidence",
}  # fmt: skip
PLACE = {
    "at", "date", "subject", "link", "before", "after", "commits", "measured", "cause", "misfits", "findings",
}  # fmt: skip
CAUSES = {"code", "surroundings", "unclear"}
ID = r"[0-9A-Za-z._-]{4,64}"
DATE = r"[0-9T:.+-]{10,40}"
LINE = r"[^\x00-\x1f\x7f]{0,400}"
LINK = r"(https?://[A-Za-z0-9][^\s<>()\[\]\"'`|\\]{0,400})?"


@dataclass(frozen=True)
class Slowdown:
    """A new slowdown of one benchmark. `ratio` is the value after over the one before; `left` of it by later changes.

    `benchmark` is `name` with its parameters; it is empty for the whole suite.
    `changes` are (name, before, after).
    """

    id: str
    kind: str
    name: str
    benchmark: str
    unit: str  #: seconds, bytes or another one
    machines: tuple[str, ...]
    engine: str
    ratio: float
    left: float
    low: float | None
    high: float | None
    changes: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Place:
    """The slowdowns that one commit explains, the worst first; `commits` is None if their number is unknown."""

    at: str
    date: str
    subject: str
    link: str
    before: str
    after: str
    commits: int | None
    measured: int
    cause: str
    slowdowns: tuple[Slowdown, ...]


def read(content: bytes) -> list[Place]:
    """Return the places with new slowdowns by code. Raises MalformedError."""
    required = {"schema", "places", "findings"}
    document = strict.table(strict.loads(content, FILE), FILE, required, {"quarantined", "notices"})
    if document["schema"] != SCHEMA or isinstance(document["schema"], bool):
        raise strict.MalformedError(f"{FILE}: schema {strict.quoted(document['schema'])} is not {SCHEMA}")
    rows = strict.array(document["findings"], "findings", MOST)
    found = dict(_finding(row, f"findings[{number}]") for number, row in enumerate(rows))
    if len(found) < len(rows):
        raise strict.MalformedError("findings: duplicate id")
    listed = strict.array(document["places"], "places", MOST)
    places = [_place(row, f"places[{number}]", found) for number, row in enumerate(listed)]
    return [place for place in places if place.slowdowns]


def _place(row: Any, where: str, found: dict[str, Slowdown | None]) -> Place:
    row = strict.table(row, where, PLACE)
    names = [strict.text(each, f"{where}.findings", ID) for each in strict.array(row["findings"], where, MOST)]
    strict.expect(found.keys() >= {*names}, f"{where}.findings", "ids of findings", names)
    return Place(
        **{name: strict.text(row[name], f"{where}.{name}", job.COMMIT) for name in ("at", "before", "after")},
        date=strict.text(row["date"], f"{where}.date", DATE),
        subject=strict.text(row["subject"], f"{where}.subject"),
        link=strict.text(row["link"], f"{where}.link", LINK),
        commits=strict.nothing_or(strict.count, row["commits"], f"{where}.commits"),
        measured=strict.count(row["measured"], f"{where}.measured"),
        cause=strict.one_of(row["cause"], f"{where}.cause", CAUSES),
        slowdowns=tuple(slowdown for name in names if (slowdown := found[name]) is not None),
    )


def _finding(row: Any, where: str) -> tuple[str, Slowdown | None]:
    """Return the id of a finding, and the finding if it is a new slowdown by code."""
    row = strict.table(row, where, FINDING)
    parameters = _lines(row["parameters"], f"{where}.parameters")
    name = strict.text(row["benchmark"], f"{where}.benchmark", LINE)
    kind = strict.one_of(row["kind"], f"{where}.kind", KINDS)
    state = strict.one_of(row["state"], f"{where}.state", STATES)
    cause = strict.one_of(row["cause"], f"{where}.cause", CAUSES)
    strict.nothing_or(_table, row["accepted"], f"{where}.accepted")
    slowdown = Slowdown(
        id=strict.text(row["id"], f"{where}.id", ID),
        kind=kind,
        name=name,
        benchmark=f"{name}({', '.join(parameters)})" if parameters else name,
        unit=str(strict.as_object(row["evidence"]).get("unit", "seconds")),
        machines=tuple(_lines(row["machines"], f"{where}.machines")),
        engine=strict.text(row["engine"], f"{where}.engine", LINE),
        ratio=strict.number(row["ratio"], f"{where}.ratio"),
        left=strict.number(row["left"], f"{where}.left"),
        low=strict.nothing_or(strict.number, row["low"], f"{where}.low"),
        high=strict.nothing_or(strict.number, row["high"], f"{where}.high"),
        changes=tuple(
            _change(each, f"{where}.{kind}")
            for kind in ("dependencies", "facts")
            for each in strict.array(row[kind], f"{where}.{kind}", 2_000)
        ),
    )
    is_alarm = kind.endswith("slower") and state == "new" and cause != "surroundings"
    return slowdown.id, slowdown if is_alarm else None


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
