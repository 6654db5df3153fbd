"""What a gate found, read from the artifact of a pull request's own job: every field is a stranger's."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from paceline.gate.finding import Finding, Verdict

from hub import strict

SCHEMA = 1
FILE = "gate.json"
LARGEST = 4_000_000
MOST = 5_000

#: As pytest writes ids of the usual parameters. Others are refused with the whole file, and named in the job's log.
NAME = r"[A-Za-z0-9_./:\[\](),=+%~ -]{1,300}"
SIDE = {"revision", "commit", "dirty", "python"}
MACHINE = {"system", "release", "architecture", "cpus", "usable_cpus", "pinning"}
CLOCKS = {"cpu", "wall"}


@dataclass(frozen=True)
class Gate:
    """The part of a gate's document that is shown. `seconds` is what it took."""

    findings: tuple[Finding, ...]
    seconds: float


def read(content: bytes) -> Gate:
    """Read a gate's document. Raises RefusedError."""
    document = strict.table(
        strict.loads(content, FILE),
        FILE,
        {"schema", "base", "head", "machine", "alpha", "tolerance", "seconds", "benchmarks"},
    )
    if document["schema"] != SCHEMA or isinstance(document["schema"], bool):
        raise strict.RefusedError(f"{FILE}: schema {strict.quoted(document['schema'])} is not {SCHEMA}")
    for side in ("base", "head"):
        _plain(strict.table(document[side], side, (), SIDE), side)
    _plain(strict.table(document["machine"], "machine", (), MACHINE), "machine")
    for name in ("alpha", "tolerance"):
        strict.number(document[name], name)
    seconds = strict.number(document["seconds"], "seconds")
    rows = strict.array(document["benchmarks"], "benchmarks", MOST)
    findings = tuple(_finding(row, f"benchmarks[{place}]") for place, row in enumerate(rows))
    if len({finding.name for finding in findings}) < len(findings):
        raise strict.RefusedError("benchmarks: a name stands twice")
    return Gate(findings, seconds)


def _plain(facts: dict[str, Any], where: str) -> None:
    for name, value in facts.items():
        if isinstance(value, str):
            strict.text(value, f"{where}.{name}", r"[ -~]{0,300}")
        elif not isinstance(value, bool) and value is not None:
            strict.count(value, f"{where}.{name}")


def _finding(row: Any, where: str) -> Finding:
    row = strict.table(row, where, {each.name for each in fields(Finding)})
    numbers = {
        name: strict.nothing_or(strict.number, row[name], f"{where}.{name}")
        for name in ("ratio", "low", "high", "base_seconds", "head_seconds", "detectable")
    }
    return Finding(
        name=strict.text(row["name"], f"{where}.name", NAME),
        verdict=strict.one_of(row["verdict"], f"{where}.verdict", {each.value for each in Verdict}),
        rounds=strict.count(row["rounds"], f"{where}.rounds"),
        clock=None if row["clock"] is None else strict.one_of(row["clock"], f"{where}.clock", CLOCKS),
        reason=strict.nothing_or(strict.text, row["reason"], f"{where}.reason"),
        **numbers,
    )
