"""Data of *Slowdowns*: the changes of `paceline check`, each with its series."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from paceline.report.changes import Quarantined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from paceline.history.model import History, Series

RED = ("slower", "broken")
AROUND = 200  # values drawn on either side of a change


def data(
    history: History, findings: Sequence[Mapping[str, Any]], gates: Mapping[str, Any], commit_url: str
) -> dict[str, Any]:
    """Return the page's data; `findings` are those of `paceline check --json`."""
    by_benchmark: dict[str, list[Series]] = {}
    for series in history.series:
        by_benchmark.setdefault(series.key.benchmark, []).append(series)
    place = {run.commit: index for index, run in enumerate(history.runs)}
    shown = []
    for finding in findings:
        drawn = (_drawn(history, series, finding, place) for series in _of(by_benchmark, finding))
        shown.append({**finding, "series": [each for each in drawn if each is not None]})
    return {"findings": shown, "gates": gates, "commit_url": commit_url}


def _of(by_benchmark: Mapping[str, list[Series]], finding: Mapping[str, Any]) -> Iterable[Series]:
    """Yield the series of a change; none for a change of the whole suite."""
    for series in by_benchmark.get(finding["benchmark"], ()):
        key = series.key
        wanted = (finding["parameters"], finding["engine"], finding["environment"])
        if (list(key.parameters), key.engine, key.environment) == wanted and key.machine in finding["machines"]:
            yield series


def _drawn(
    history: History, series: Series, finding: Mapping[str, Any], place: Mapping[str, int]
) -> dict[str, Any] | None:
    """Return the points, and the first after the change; None if all are on one side, as in another version."""
    runs = [history.runs[index] for index in series.runs]
    first = place.get(finding["at"], 0)
    change = next((point for point, run in enumerate(runs) if place[run.commit] >= first), len(runs))
    if not 0 < change < len(runs):
        return None
    span = slice(max(0, change - AROUND), change + AROUND)
    runs = runs[span]
    return {
        "where": series.key.machine + (f", {series.key.environment}" if series.key.environment else ""),
        "unit": series.unit,
        "change": change - span.start,
        "values": _short(series.values[span]),
        "low": _short(series.low[span]),
        "high": _short(series.high[span]),
        "commits": [run.commit[:10] for run in runs],
        "dates": [run.date for run in runs],
    }


def _short(values: NDArray[np.float64]) -> list[float | None]:
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]


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
