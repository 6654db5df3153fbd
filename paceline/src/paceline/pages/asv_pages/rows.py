"""The parts of result files that asv's pages need, as columns, as there are millions of points."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from paceline.history.asv.asv_files import Result

    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Every row of every file.

    `heads` has an object per file: commit, date, params, env_vars. The arrays `run` (the file), `name`, `params`,
    `version` (-1 for none), `started` (NaN for unknown), `first` and `count` have an element per row. `name`,
    `params` and `version` are indices into `texts`, in which params are JSON. A row has the `count` elements of
    `values` and `weights` from `first` on, none if the benchmark failed; NaN is missing.
    """

    heads: list[dict[str, Any]]
    texts: list[str]
    run: Integers
    name: Integers
    params: Integers
    version: Integers
    started: Floats
    first: Integers
    count: Integers
    values: Floats
    weights: Floats


def of(results: Sequence[Result]) -> Rows:
    """Return the joined rows of all results, in the given order."""
    texts: dict[str, int] = {}
    known: dict[str, Integers] = {}  # most files have the same rows
    for text in dict.fromkeys(result.shared.rows for result in results):
        known[text] = _numbered(json.loads(text), texts)
    described = [known[result.shared.rows] for result in results]
    name, params, version, count = np.concatenate([np.empty((4, 0), dtype=np.int64), *described], axis=1)
    values, _, _, low, high = np.concatenate([np.empty((5, 0)), *(result.columns for result in results)], axis=1)
    return Rows(
        heads=[_head(result) for result in results],
        texts=list(texts),
        run=np.repeat(np.arange(len(results)), [each.shape[1] for each in described]),
        name=name,
        params=params,
        version=version,
        started=np.concatenate([np.empty(0), *(result.started for result in results)]),
        first=np.cumsum(count) - count,
        count=count,
        values=values,
        weights=weights(low, high),
    )


def _head(result: Result) -> dict[str, Any]:
    return {"commit": result.about.commit, "date": result.about.date, **json.loads(result.shared.surroundings)}


def _numbered(rows: Sequence[Sequence[Any]], texts: dict[str, int]) -> Integers:
    """Return name, params, version and count of each row, `(4, rows)`, and number the texts."""

    def number(text: str) -> int:
        return texts.setdefault(text, len(texts))

    numbers = [
        (number(name), number(json.dumps(params)), -1 if version is None else number(version), count)
        for name, params, version, count in rows
    ]
    return np.array(numbers, dtype=np.int64).reshape(-1, 4).T


def weights(low: Floats, high: Floats) -> Floats:
    """Return each value's weight as in asv._stats.get_weight: the inverse of its interval's width; NaN for none."""
    with np.errstate(divide="ignore", over="ignore"):
        found = 2 / np.abs(high - low)
    return np.where(np.isfinite(found), found, np.nan)
