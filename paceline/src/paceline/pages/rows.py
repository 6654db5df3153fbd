"""What asv's pages need of every result file, as columns, and kept: a file is parsed once in its life.

It is more than a history keeps (intervals as weights, when each benchmark was run, parameters of the environment), in
asv's own terms. The cache is keyed by the content of the files, holds arrays and JSON only, and is safe to delete.
"""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from paceline.pages import stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FILE = "rows-1.npz"  # raise the number when the same bytes are read differently


@dataclass(frozen=True)
class Rows:
    """Every row of every file.

    `heads` has an object a file: commit, date, params, env_vars. The arrays `run` (the file), `name`, `params`,
    `version` (-1 for none), `started` (NaN for unknown), `first` and `count` have an element a row; `name`, `params`
    and `version` are indices into `texts`, where params are in JSON. Of `values` and `weights` a row has `count`
    from `first` on, none if the benchmark failed; NaN is missing.
    """

    digests: NDArray[np.bytes_]
    heads: list[dict[str, Any]]
    texts: list[str]
    run: NDArray[np.int64]
    name: NDArray[np.int64]
    params: NDArray[np.int64]
    version: NDArray[np.int64]
    started: NDArray[np.float64]
    first: NDArray[np.int64]
    count: NDArray[np.int64]
    values: NDArray[np.float64]
    weights: NDArray[np.float64]


PER_ROW = ("run", "name", "params", "version", "started", "first", "count")


def read(paths: Sequence[Path], cache: Path) -> Rows:
    """Read sound result files (see `history.asv_files`) in the order given."""
    known = _load(cache / FILE)
    at = {bytes(digest): index for index, digest in enumerate(known.digests)}
    builder = _Builder(known)
    changed = len(paths) != len(known.heads)
    for index, path in enumerate(paths):
        raw = path.read_bytes()
        digest = hashlib.blake2b(raw, digest_size=16).hexdigest().encode()
        place = at.get(digest)
        changed |= place != index
        if place is None:
            builder.parse(digest, raw)
        else:
            builder.take(place)
    if not changed:
        return known
    rows = builder.rows()
    _save(rows, cache / FILE)
    return rows


class _Builder:
    """Puts rows together from those that are known and those of new files."""

    def __init__(self, known: Rows) -> None:
        self._known = known
        self._texts = {text: index for index, text in enumerate(known.texts)}
        self._digests: list[bytes] = []
        self._heads: list[dict[str, Any]] = []
        self._taken: list[tuple[int, int]] = []  # place among the known files, place among all
        self._new: list[tuple[float, ...]] = []
        self._values: list[float | None] = []
        self._weights: list[float | None] = []

    def take(self, place: int) -> None:
        """Take a file that is known."""
        self._taken.append((place, len(self._heads)))
        self._digests.append(bytes(self._known.digests[place]))
        self._heads.append(self._known.heads[place])

    def parse(self, digest: bytes, raw: bytes) -> None:
        """Take a file that is not."""
        document = json.loads(raw)
        number = len(self._heads)
        self._digests.append(digest)
        head = {"commit": document["commit_hash"], "date": document["date"], "params": document["params"]}
        self._heads.append(head | {"env_vars": document.get("env_vars", {})})
        for name, cells in document["results"].items():
            row = dict(zip(document["result_columns"], cells, strict=False))
            values = row.get("result") or []
            version = row.get("version")
            started = row.get("started_at")
            self._new.append(
                (
                    number,
                    self._text(name),
                    self._text(json.dumps(row.get("params") or [])),
                    -1 if version is None else self._text(str(version)),
                    np.nan if started is None else started,
                    len(self._values),
                    len(values),
                )
            )
            self._values.extend(values)
            self._weights.extend(_weights(row, len(values)))

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))

    def rows(self) -> Rows:
        """Return all rows, in the order of the files."""
        known = self._known
        renumbered = np.full(len(known.heads), -1)
        for place, number in self._taken:
            renumbered[place] = number
        kept = renumbered[known.run] >= 0
        old = {name: getattr(known, name)[kept] for name in PER_ROW}
        old["run"] = renumbered[old["run"]]
        new = np.array(self._new, dtype=np.float64).reshape(-1, len(PER_ROW))
        new[:, PER_ROW.index("first")] += len(known.values)
        joined = {
            name: np.concatenate([old[name], new[:, column].astype(old[name].dtype)])
            for column, name in enumerate(PER_ROW)
        }
        order = np.argsort(joined["run"], kind="stable")
        joined = {name: column[order] for name, column in joined.items()}
        values = np.concatenate([known.values, np.array(self._values, dtype=np.float64)])
        weights = np.concatenate([known.weights, np.array(self._weights, dtype=np.float64)])
        takes = spans(joined["first"], joined["count"])
        joined["first"] = np.concatenate([[0], np.cumsum(joined["count"])[:-1]])[: len(order)].astype(np.int64)
        return Rows(
            np.array(self._digests, dtype="S32"),
            self._heads,
            list(self._texts),
            **joined,
            values=values[takes],
            weights=weights[takes],
        )


def spans(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return first[0], first[0] + 1, ... for count[0] numbers, then the same for each next span."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    found: NDArray[np.int64] = np.arange(total) + np.repeat(first - (ends - count), count)
    return found


def _weights(row: Mapping[str, Any], count: int) -> Iterable[float | None]:
    """Weigh each value as asv does: by the inverse of the width of its interval."""
    from asv._stats import get_weight

    lows, highs = (row.get(f"stats_ci_99_{side}") or [None] * count for side in "ab")
    for low, high in zip(lows, highs, strict=True):
        known = low is not None and high is not None
        weight = get_weight({"ci_99_a": low, "ci_99_b": high} if known else None)
        yield weight if weight is not None and math.isfinite(weight) else None


def _load(path: Path) -> Rows:
    try:
        with np.load(path, allow_pickle=False) as kept:
            columns = {name: kept[name] for name in kept.files}
        heads, texts = json.loads(columns.pop("json").tobytes())
        rows = Rows(heads=heads, texts=texts, **columns)
        if len(rows.digests) == len(heads):
            return rows
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # there is none, or it is broken: the files are read instead
    whole, real = np.array([], dtype=np.int64), np.array([], dtype=np.float64)
    return Rows(
        np.array([], dtype="S32"), [], [], whole, whole, whole, whole, real, whole, whole, values=real, weights=real
    )


def _save(rows: Rows, path: Path) -> None:
    columns = {name: getattr(rows, name) for name in ("digests", *PER_ROW, "values", "weights")}
    columns["json"] = np.frombuffer(json.dumps([rows.heads, rows.texts]).encode(), dtype=np.uint8)
    stored.write(path, columns)
