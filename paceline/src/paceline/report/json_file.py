"""Writes and reads a gate's verdicts as JSON, schema 2. The meaning of its fields never changes."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from paceline.config.shard import MOST as MOST_SHARDS
from paceline.config.shard import Shard
from paceline.report.explanations import AllocationChange, CallChange, Explanation, FunctionChange, ShareChange
from paceline.report.memory import Memory, MemoryVerdict, Method
from paceline.report.outcome import Outcome, Part
from paceline.report.values import Value
from paceline.report.verdicts import Finding, Verdict
from paceline.system import files, strict

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 2
KEYS = {"schema", "base", "head", "machine", "alpha", "tolerance", "seconds", "benchmarks", "values", "notices"}
SIDE = {"revision", "commit", "dirty", "python"}
MACHINE = {"system", "release", "architecture", "cpus", "usable_cpus", "pinning"}
VALUE = {"name", "unit", "base", "head", "reason"}
PART = {"number", "count", "benchmarks", "digest"}
CLOCKS = {"cpu", "wall"}
NUMBERS = ("ratio", "low", "high", "base_seconds", "head_seconds", "detectable", "tolerance")
LATER = {"touched", "unproven", "why", "memory"}  # not there from the beginning of the schema
DIFFERENCE = ("change", "low", "high")
FUNCTION = {"file", "function", *DIFFERENCE, "p", "named", "code", "by", "calls"}
WHY = {"functions", "total", "rest", "rounds", "samples", "calls", "allocations", "unsteady"}
MOST = 20_000  # benchmarks
MOST_FUNCTIONS = 1_000
MOST_NOTICES = 1_000
LARGEST = 2**53  # of a count
NAME = r".{1,2000}"


def text(outcome: Outcome) -> str:
    """Return the document as strict JSON: no number is infinite or NaN."""
    document = {
        "schema": SCHEMA,
        "base": dict(outcome.base),
        "head": dict(outcome.head),
        "machine": dict(outcome.machine),
        "alpha": outcome.alpha,
        "tolerance": outcome.tolerance,
        "seconds": round(outcome.seconds, 3),
        "benchmarks": [finding.as_json() for finding in outcome.findings],
        "values": [value.as_json() for value in outcome.values],
        "notices": list(outcome.notices),
    }
    if outcome.part is not None:
        shard = {"number": outcome.part.shard.number, "count": outcome.part.shard.count}
        document["shard"] = {**shard, "benchmarks": outcome.part.benchmarks, "digest": outcome.part.digest}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def write(outcome: Outcome, path: Path) -> None:
    """Write the document as a whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, text(outcome))


def read(content: bytes, where: str, name: str = NAME) -> Outcome:
    """Read a document. Raises MalformedError; `name` is a pattern of the benchmarks' names."""
    document = strict.table(strict.loads(content, where), where, KEYS, {"shard"})
    schema = strict.count(document["schema"], f"{where}: schema")
    strict.expect(schema == SCHEMA, f"{where}: schema", str(SCHEMA), schema)
    findings = _rows(document, "benchmarks", name, _finding)
    once = len({finding.name for finding in findings}) == len(findings)
    strict.expect(once, f"{where}: benchmarks", "each name once", len(findings))
    notices = strict.array(document["notices"], "notices", MOST_NOTICES)
    return Outcome(
        base=_facts(document, "base", SIDE),
        head=_facts(document, "head", SIDE),
        machine=_facts(document, "machine", MACHINE),
        alpha=strict.number(document["alpha"], "alpha"),
        tolerance=strict.number(document["tolerance"], "tolerance"),
        seconds=strict.number(document["seconds"], "seconds"),
        findings=findings,
        values=_rows(document, "values", name, _value),
        notices=[strict.text(each, f"notices[{place}]") for place, each in enumerate(notices)],
        part=strict.nothing_or(_part, document.get("shard"), "shard"),
    )


def _rows(document: dict[str, Any], key: str, name: str, one: Any) -> list[Any]:
    rows = strict.array(document[key], key, MOST)
    return [one(row, f"{key}[{place}]", name) for place, row in enumerate(rows)]


def _facts(document: dict[str, Any], key: str, known: set[str]) -> dict[str, Any]:
    facts = strict.table(document[key], key, (), known)
    for name, value in facts.items():
        if isinstance(value, str):
            strict.text(value, f"{key}.{name}", r"[ -~]{0,300}")
        elif not isinstance(value, bool) and value is not None:
            strict.count(value, f"{key}.{name}")
    return facts


def _part(value: Any, where: str) -> Part:
    row = strict.table(value, where, PART)
    count = strict.count(row["count"], f"{where}.count", MOST_SHARDS)
    number = strict.count(row["number"], f"{where}.number", count)
    strict.expect(number, f"{where}.number", "an integer from 1", number)
    digest = strict.text(row["digest"], f"{where}.digest", r"[0-9a-f]{16}")
    return Part(Shard(number, count), strict.count(row["benchmarks"], f"{where}.benchmarks"), digest)


def _value(row: Any, where: str, name: str) -> Value:
    row = strict.table(row, where, VALUE)
    return Value(
        name=strict.text(row["name"], f"{where}.name", name),
        unit=strict.text(row["unit"], f"{where}.unit", r".{0,100}"),
        base=strict.nothing_or(strict.any_number, row["base"], f"{where}.base"),
        head=strict.nothing_or(strict.any_number, row["head"], f"{where}.head"),
        reason=strict.nothing_or(strict.text, row["reason"], f"{where}.reason"),
    )


def _finding(row: Any, where: str, name: str) -> Finding:
    row = strict.table(row, where, {each.name for each in fields(Finding)} - LATER, LATER)
    numbers: dict[str, Any] = {
        each: strict.nothing_or(strict.number, row[each], f"{where}.{each}") for each in NUMBERS
    }
    return Finding(
        name=strict.text(row["name"], f"{where}.name", name),
        verdict=strict.one_of(row["verdict"], f"{where}.verdict", {each.value for each in Verdict}),
        rounds=strict.count(row["rounds"], f"{where}.rounds"),
        clock=None if row["clock"] is None else strict.one_of(row["clock"], f"{where}.clock", CLOCKS),
        reason=strict.nothing_or(strict.text, row["reason"], f"{where}.reason"),
        suspect=strict.truth(row["suspect"], f"{where}.suspect"),
        critical=strict.truth(row["critical"], f"{where}.critical"),
        red=strict.truth(row["red"], f"{where}.red"),
        touched=strict.nothing_or(strict.text, row.get("touched"), f"{where}.touched"),
        unproven=strict.truth(row.get("unproven", False), f"{where}.unproven"),
        why=strict.nothing_or(_why, row.get("why"), f"{where}.why"),
        memory=strict.nothing_or(_memory, row.get("memory"), f"{where}.memory"),
        **numbers,
    )


def _memory(value: Any, where: str) -> Memory:
    row = strict.table(value, where, {each.name for each in fields(Memory)})
    sizes = ("base_bytes", "head_bytes", "base_allocations", "head_allocations", "tolerance_bytes")
    counts = {each: strict.nothing_or(_size, row[each], f"{where}.{each}") for each in sizes}
    ratios = ("ratio", "low", "high", "tolerance")
    numbers: dict[str, Any] = {
        each: strict.nothing_or(strict.number, row[each], f"{where}.{each}") for each in ratios
    }
    method = row["method"]
    return Memory(
        verdict=strict.one_of(row["verdict"], f"{where}.verdict", {each.value for each in MemoryVerdict}),
        method=None if method is None else strict.one_of(method, f"{where}.method", {each.value for each in Method}),
        exact=strict.truth(row["exact"], f"{where}.exact"),
        rounds=strict.count(row["rounds"], f"{where}.rounds"),
        reason=strict.nothing_or(strict.text, row["reason"], f"{where}.reason"),
        red=strict.truth(row["red"], f"{where}.red"),
        **counts,
        **numbers,
    )


def _size(value: Any, where: str) -> int:
    return strict.count(value, where, 2**53)


def _why(value: Any, where: str) -> Explanation:
    row = strict.table(value, where, WHY)
    functions, calls, allocations = (
        strict.array(row[name], f"{where}.{name}", MOST_FUNCTIONS) for name in ("functions", "calls", "allocations")
    )
    total, rest = (strict.table(row[name], f"{where}.{name}", DIFFERENCE) for name in ("total", "rest"))
    return Explanation(
        functions=tuple(_function(each, f"{where}.functions[{place}]") for place, each in enumerate(functions)),
        total=_difference(total, f"{where}.total"),
        rest=_difference(rest, f"{where}.rest"),
        rounds=strict.count(row["rounds"], f"{where}.rounds"),
        samples=strict.count(row["samples"], f"{where}.samples"),
        calls=tuple(_calls(each, f"{where}.calls[{place}]") for place, each in enumerate(calls)),
        allocations=tuple(_allocation(each, f"{where}.allocations[{n}]") for n, each in enumerate(allocations)),
        unsteady=strict.count(row["unsteady"], f"{where}.unsteady"),
    )


def _calls(value: Any, where: str) -> CallChange:
    row = strict.table(value, where, {each.name for each in fields(CallChange)})
    return CallChange(
        file=strict.text(row["file"], f"{where}.file"),
        function=strict.text(row["function"], f"{where}.function"),
        base=strict.count(row["base"], f"{where}.base", LARGEST),
        head=strict.count(row["head"], f"{where}.head", LARGEST),
        code=_code(row["code"], where),
        by=strict.text(row["by"], f"{where}.by"),
    )


def _allocation(value: Any, where: str) -> AllocationChange:
    row = strict.table(value, where, {each.name for each in fields(AllocationChange)})
    numbers = {
        name: strict.count(row[name], f"{where}.{name}", LARGEST)
        for name in ("base_bytes", "base_blocks", "head_bytes", "head_blocks")
    }
    return AllocationChange(
        file=strict.text(row["file"], f"{where}.file"),
        function=strict.text(row["function"], f"{where}.function"),
        **numbers,
    )


def _code(value: Any, where: str) -> str | None:
    return None if value is None else strict.one_of(value, f"{where}.code", {"changed", "same"})


def _function(value: Any, where: str) -> FunctionChange:
    row = strict.table(value, where, FUNCTION)
    return FunctionChange(
        file=strict.text(row["file"], f"{where}.file"),
        function=strict.text(row["function"], f"{where}.function"),
        difference=_difference(row, where),
        p=strict.number(row["p"], f"{where}.p"),
        named=strict.truth(row["named"], f"{where}.named"),
        code=_code(row["code"], where),
        by=strict.text(row["by"], f"{where}.by"),
        calls=strict.text(row["calls"], f"{where}.calls"),
    )


def _difference(row: dict[str, Any], where: str) -> ShareChange:
    return ShareChange(*(strict.any_number(row[name], f"{where}.{name}") for name in DIFFERENCE))
