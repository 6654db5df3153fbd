"""Describes each benchmark for asv: from `benchmarks.json`, or, if that is broken, from the results."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.history.asv.asv_files import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paceline.pages.asv_pages.rows import Rows

#: Of one benchmark's parameters. A broken description may have any number, and asv would go through them all.
MOST_COMBINATIONS = 100_000


def benchmarks(sound: Mapping[str, Mapping[str, Any]], rows: Rows) -> dict[str, dict[str, Any]]:
    """Return a description of each benchmark; `sound` is empty if there is no usable file."""
    newest, versions = _from_results(rows), _versions(rows)
    found = {}
    for name, entry in sound.items():
        if _is_usable(entry):
            # A run of an old commit may have written the file last. asv shows only versions that were run.
            was_run = (name, entry["version"]) in versions
            found[name] = _as_measured(entry, newest[name]) if was_run else dict(entry)
    return found if len(found) == len(sound) > 0 else newest | found


def _versions(rows: Rows) -> set[tuple[str, str]]:
    """Return the benchmarks with their measured versions."""
    measured = (rows.count > 0) & (rows.version >= 0)
    count = max(1, len(rows.texts))
    pairs = np.unique(rows.name[measured] * count + rows.version[measured])
    return {(rows.texts[pair // count], rows.texts[pair % count]) for pair in pairs.tolist()}


def _is_usable(entry: Mapping[str, Any]) -> bool:
    return "version" in entry and 0 < math.prod(map(len, entry["params"])) <= MOST_COMBINATIONS


def _as_measured(entry: Mapping[str, Any], newest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description of the version that was measured last."""
    if newest["version"] in {"", entry["version"]}:
        return dict(entry)
    named = entry if len(entry["param_names"]) == len(newest["param_names"]) else newest
    measured = {"version": newest["version"], "params": newest["params"], "param_names": named["param_names"]}
    return {**entry, **measured}


def _from_results(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return a description of every benchmark from its newest result."""
    dates = np.array([head["date"] for head in rows.heads], dtype=np.float64)
    measured = np.flatnonzero(rows.count)
    ordered = measured[np.lexsort((dates[rows.run[measured]], rows.name[measured]))]
    last = ordered[np.flatnonzero(np.diff(rows.name[ordered], append=-1))]
    found: dict[str, dict[str, Any]] = {}
    for row in last.tolist():
        name, params, version = (int(column[row]) for column in (rows.name, rows.params, rows.version))
        values = json.loads(rows.texts[params])
        found[rows.texts[name]] = {
            "name": rows.texts[name],
            "params": values,
            "param_names": [f"param{place}" for place in range(1, len(values) + 1)],
            "version": "" if version == -1 else rows.texts[version],
            **kind_of(rows.texts[name]),
            "code": "",
        }
    return found
