"""Joins the outcomes of shards. Each has its share of the false-alarm rate, so together they keep the gate's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from paceline.report.outcome import Outcome, Part


def joined(outcomes: Mapping[str, Outcome]) -> Outcome:
    """Return one outcome of all files' outcomes. Raises PacelineError unless they are the shards of one gate."""
    parts = {file: _part(file, outcome) for file, outcome in outcomes.items()}
    for what in ("base", "head", "alpha", "tolerance"):
        _insist_on_one(what, {file: getattr(outcome, what) for file, outcome in outcomes.items()})
    _insist_on_one("number of shards", {file: part.shard.count for file, part in parts.items()})
    _insist_on_one("set of benchmarks", {file: (part.benchmarks, part.digest) for file, part in parts.items()})
    _insist_on_all(parts)
    ordered = sorted(outcomes.values(), key=lambda each: each.part.shard.number if each.part else 0)
    whole = replace(
        ordered[0],
        seconds=max(each.seconds for each in ordered),
        findings=[finding for each in ordered for finding in each.findings],
        values=[value for each in ordered for value in each.values],
        notices=[*_notices(ordered)],
        part=None,
    )
    whole.insist_on_something_measured()
    return whole


def _part(file: str, outcome: Outcome) -> Part:
    if outcome.part is None:
        raise PacelineError(f"{file} is of a whole gate, not of a shard: judge with --benchmark-shard=K/N.")
    return outcome.part


def _insist_on_one(what: str, found: Mapping[str, Any]) -> None:
    first, *others = found
    for other in others:
        if found[other] != found[first]:
            raise PacelineError(
                f"the shards differ in {what}: {shown(found[first])} in {first}, {shown(found[other])} in {other}."
                " Join the shards of one gate."
            )


def _insist_on_all(parts: Mapping[str, Part]) -> None:
    files: dict[int, str] = {}
    for file, part in parts.items():
        if part.shard.number in files:
            raise PacelineError(
                f"shard {part.shard} is there twice: {files[part.shard.number]} and {file}. Give it once."
            )
        files[part.shard.number] = file
    count = next(iter(parts.values())).shard.count
    missing = [f"{number}/{count}" for number in range(1, count + 1) if number not in files]
    if missing:
        raise PacelineError(f"missing: shard {', '.join(missing)}. Run it, and give its file too.")


def _notices(ordered: Sequence[Outcome]) -> Iterator[str]:
    """Yield what all shards say once, and the rest with the shard that says it."""
    common = [notice for notice in ordered[0].notices if all(notice in each.notices for each in ordered)]
    yield from common
    for each in ordered:
        yield from (f"shard {each.part.shard}: {text}" for text in each.notices if each.part and text not in common)
    if len({str(each.machine) for each in ordered}) > 1:
        yield "the shards ran on machines that differ; each benchmark's two sides ran on one of them"
