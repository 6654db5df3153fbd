"""Data of *Slowdowns*: the changes of `paceline check`, each with the place of its series, and the gates' record."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from paceline.report.changes import Quarantined

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from paceline.history.model import History, Series
    from paceline.pages.family import Families
    from paceline.report.changes import Change, Difference

RED = ("slower", "broken")


@dataclass(frozen=True)
class Drawn:
    """Finds the series of changes; `positions` are those of commits."""

    history: History
    families: Families
    positions: Mapping[str, int]

    @cached_property
    def _by_name(self) -> Mapping[tuple[Any, ...], Sequence[Series]]:
        found = defaultdict(list)
        for series in self.history.series:
            key = series.key
            found[key.benchmark, key.parameters, key.engine, key.environment, key.machine].append(series)
        return found

    def of(self, change: Change) -> Iterator[Series]:
        """Yield the series in which a change is, of several versions that of its time; none for a whole suite."""
        at = self.positions.get(change.at, 0)
        for machine in change.machines:
            name = (change.benchmark, change.parameters, change.engine, change.environment, machine)
            for series in self._by_name.get(name, ()):
                first, last = (self._position(series.runs[end]) for end in (0, -1))
                if first < at <= last:
                    yield series

    def _position(self, run: int) -> int:
        return self.positions[self.history.runs[run].commit]

    def shown(self, change: Change) -> dict[str, Any]:
        """Return a change as the pages show it, with positions for commits."""
        places = [self.families.places[series.key] for series in self.of(change)]
        machines = change.evidence.get("machines", {})
        return {
            "id": change.id,
            "kind": change.kind,
            "state": change.state,
            "family": places[0][0] if places else None,
            "series": [number for _, number in places],
            "benchmark": change.benchmark,
            "parameters": list(change.parameters),
            "machines": list(change.machines),
            "others": {name: one["verdict"] for name, one in machines.items() if name not in change.machines},
            "engine": change.engine,
            "word": change.word,
            "explain": change.explain,
            "ratio": change.ratio,
            "left": change.left,
            "low": change.low or None,
            "high": change.high if change.high < math.exp(700) else None,
            **{name: self.positions.get(getattr(change, name)) for name in ("before", "after", "at")},
            "commits": len(change.commits),
            "cause": change.cause,
            "date": change.date,
            "differences": _shown([*change.dependencies, *change.facts]),
            "accepted": change.accepted and [change.accepted.date.isoformat(), change.accepted.reason],
        }


def _shown(differences: Sequence[Difference]) -> list[list[str | None]]:
    return [[each.name, each.before, each.after] for each in differences]


def gates(folder: Path) -> tuple[dict[str, Any], list[Quarantined]]:
    """Return the gates of identical code with the count of red ones, and the files that cannot be read."""
    shown: list[dict[str, Any]] = []
    bad: list[Quarantined] = []
    for path in sorted(folder.glob("*.json")):
        try:
            shown.append(_gate(path.stem, json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            bad.append(Quarantined(path, f"is not a JSON document of the gate ({type(error).__name__})"))
    return {"red": sum(each["red"] > 0 for each in shown), "of": len(shown), "runs": shown}, bad


def _gate(name: str, document: Any) -> dict[str, Any]:
    verdicts = [str(each["verdict"]) for each in document["benchmarks"]]
    if document["schema"] != 1:
        raise ValueError(document["schema"])
    return {
        "name": name,
        "benchmarks": len(verdicts),
        "red": sum(verdict in RED for verdict in verdicts),
        "unsure": verdicts.count("unsure"),
    }
