"""What asv is told about each benchmark: as `benchmarks.json` says, or, where that is broken, as the results tell."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paceline.pages.rows import Rows

#: Of parameters of one benchmark. A description may ask for any number, and asv would count through them.
MOST_COMBINATIONS = 100_000


def benchmarks(sound: Mapping[str, Mapping[str, Any]], rows: Rows) -> dict[str, dict[str, Any]]:
    """Return a description of each benchmark; `sound` is empty where there is no usable file."""
    found = {name: dict(entry) for name, entry in sound.items() if _is_usable(entry)}
    if len(found) == len(sound) > 0:
        return found
    return _from_results(rows) | found


def _is_usable(entry: Mapping[str, Any]) -> bool:
    return "version" in entry and 0 < math.prod(map(len, entry["params"])) <= MOST_COMBINATIONS


def _from_results(rows: Rows) -> dict[str, dict[str, Any]]:
    """Describe every benchmark as its newest result does."""
    dates = [head["date"] for head in rows.heads]
    columns = (
        rows.run.tolist(),
        rows.name.tolist(),
        rows.params.tolist(),
        rows.version.tolist(),
        rows.count.tolist(),
    )
    found: dict[str, dict[str, Any]] = {}
    for _, name, params, version, count in sorted(
        zip((dates[file] for file in columns[0]), *columns[1:], strict=True)
    ):
        if not count:
            continue
        text, values = rows.texts[name], json.loads(rows.texts[params])
        found[text] = {
            "name": text,
            "params": values,
            "param_names": [f"param{place}" for place in range(1, len(values) + 1)],
            "version": "" if version == -1 else rows.texts[version],
            "unit": "seconds",
            "type": "time",
            "code": "",
        }
    return found
