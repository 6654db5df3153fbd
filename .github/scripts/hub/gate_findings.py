"""Reads a gate's findings from the artifact of a pull request's job: every field is untrusted."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from paceline.report.verdicts import Finding, Verdict

from hub import strict

SCHEMAS = (1, 2)  # a pull request may bring an older paceline than the branch that this runs on
FILE = "gate.json"
LARGEST = 4_000_000
MOST = 5_000
MOST_NOTICES = 1_000

#: As pytest writes ids of the usual parameters. Any other name refuses the whole file; the job's log names it.
NAME = r"[A-Za-z0-9_./:\[\](),=+%~ -]{1,300}"
SIDE = {"revision", "commit", "dirty", "python"}
MACHINE = {"system", "release", "architecture", "cpus", "usable_cpus", "pinning"}
CLOCKS = {"cpu", "wall"}
KEYS = {"schema", "base", "head", "machine", "alpha", "tolerance", "seconds", "benchmarks"}
KEYS_SINCE_2 = {"values", "notices"}
VALUE = {"name", "unit", "base", "head", "reason"}
SINCE_2 = {"suspect", "tolerance", "critical", "red"}
LATER = {"unproven"}  # of schema 2, but not from its beginning


@dataclass(frozen=True)
class Gate:
    """The part of a gate's JSON that is shown. `seconds` is its duration."""

    findings: tuple[Finding, ...]
    seconds: float
    notices: tuple[str, ...] = ()


def read(content: bytes) -> Gate:
    """Read a gate's JSON. Raises RefusedError."""
    document = strict.table(strict.loads(content, FILE), FILE, KEYS, KEYS_SINCE_2)
    schema = document["schema"]
    if schema not in SCHEMAS or type(schema) is not int:
        raise strict.RefusedError(f"{FILE}: schema {strict.quoted(schema)} is not 1 or 2")
    for side in ("base", "head"):
        _plain(strict.table(document[side], side, (), SIDE), side)
    _plain(strict.table(document["machine"], "machine", (), MACHINE), "machine")
    for name in ("alpha", "tolerance"):
        strict.number(document[name], name)
    seconds = strict.number(document["seconds"], "seconds")
    rows = strict.array(document["benchmarks"], "benchmarks", MOST)
    findings = tuple(_finding(row, f"benchmarks[{place}]", schema) for place, row in enumerate(rows))
    if len({finding.name for finding in findings}) < len(findings):
        raise strict.RefusedError("benchmarks: duplicate name")
    return Gate(findings, seconds, _notices(document, schema))


def _notices(document: dict[str, Any], schema: int) -> tuple[str, ...]:
    """Return the notices, which only schema 2 has. Its values are checked, but not shown."""
    strict.table(document, FILE, KEYS | KEYS_SINCE_2 if schema > 1 else KEYS)
    for place, row in enumerate(strict.array(document.get("values", []), "values", MOST)):
        where = f"values[{place}]"
        strict.table(row, where, VALUE)
        strict.text(row["name"], f"{where}.name", NAME)
        for name in ("base", "head"):
            strict.nothing_or(strict.any_number, row[name], f"{where}.{name}")
        strict.text(row["unit"], f"{where}.unit", r".{0,100}")
        strict.nothing_or(strict.text, row["reason"], f"{where}.reason")
    notices = strict.array(document.get("notices", []), "notices", MOST_NOTICES)
    return tuple(strict.text(text, f"notices[{place}]") for place, text in enumerate(notices))


def _plain(facts: dict[str, Any], where: str) -> None:
    for name, value in facts.items():
        if isinstance(value, str):
            strict.text(value, f"{where}.{name}", r"[ -~]{0,300}")
        elif not isinstance(value, bool) and value is not None:
            strict.count(value, f"{where}.{name}")


def _finding(row: Any, where: str, schema: int) -> Finding:
    names = {each.name for each in fields(Finding)}
    row = strict.table(row, where, names - LATER - (set() if schema > 1 else SINCE_2), LATER if schema > 1 else ())
    numbers: dict[str, Any] = {
        name: strict.nothing_or(strict.number, row[name], f"{where}.{name}")
        for name in ("ratio", "low", "high", "base_seconds", "head_seconds", "detectable", "tolerance")
        if name in row
    }
    found = Finding(
        name=strict.text(row["name"], f"{where}.name", NAME),
        verdict=strict.one_of(row["verdict"], f"{where}.verdict", {each.value for each in Verdict}),
        rounds=strict.count(row["rounds"], f"{where}.rounds"),
        clock=None if row["clock"] is None else strict.one_of(row["clock"], f"{where}.clock", CLOCKS),
        reason=strict.nothing_or(strict.text, row["reason"], f"{where}.reason"),
        **numbers,
    )
    if schema == 1:
        return found.judged("pass", None)
    return replace(
        found,
        suspect=strict.truth(row["suspect"], f"{where}.suspect"),
        critical=strict.truth(row["critical"], f"{where}.critical"),
        red=strict.truth(row["red"], f"{where}.red"),
        unproven=strict.truth(row.get("unproven", False), f"{where}.unproven"),
    )
