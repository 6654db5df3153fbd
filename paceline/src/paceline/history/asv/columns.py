"""Keeps the content of result files as sorted Parquet, so that each is parsed once. Safe to delete at any time.

The result files stay the record. Each Parquet file holds the results of some of them, one row each, in the order of
series and dates. Its metadata has the hash of each result file's content, so no row is ever out of date. A file's
size, times and inode stand in for its hash, as in git's index, unless the file is too new for its times to count.

Runs that were added make a small Parquet file; about a hundred of them are joined with the rest. A Parquet file is
named by the hash of its content, so that damage shows. If one cannot be read or written, the result files themselves
are read, without a notice, as nothing is lost.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from paceline.history.asv.asv_files import KEPT_COLUMNS, About, Header, Shared, kind_of, result_file
from paceline.history.asv.points import Points, joined, numbered, of_runs
from paceline.system import files, sealed
from paceline.system.strict import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from paceline.history.model import SeriesKey

#: Increment it when `asv_files.result_file` reads the same bytes differently, or the columns change.
READER = 5
RACY = 2 * 10**9  # nanoseconds; the coarsest clock of a file system in use (FAT) ticks every two seconds
MOST_FILES = 100  # Parquet files; more are joined
UNITS = {"time": "seconds", "timeraw": "seconds", "mem": "bytes", "peakmem": "bytes", "track": "unit"}
SUFFIX = ".parquet"
METADATA = f"paceline-{READER}".encode()  # key of all that is not in the rows

Integers: TypeAlias = "NDArray[np.int32]"
#: A sound file's header, or the reason why the file is not sound.
Content: TypeAlias = "Header | str"


class Kept(NamedTuple):
    """A result file as it was read: its size, times and inode (empty if too new), its hash, and its content."""

    state: str
    digest: str
    content: Header | str


class _Part(NamedTuple):
    """Result files by name, and their results, whose runs are places among these files."""

    kept: Mapping[str, Kept]
    points: Points


NOTHING = Kept("", "", "")


@dataclass
class Columns:
    """Reads result files, and keeps them in a folder; None to keep nothing. Call `save` at the end."""

    folder: Path | None
    _parts: dict[Path, _Part] = field(default_factory=dict)
    _known: dict[str, Kept] = field(default_factory=dict)
    _read: dict[str, Kept] = field(default_factory=dict)
    _new: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Load the Parquet files."""
        if self.folder is None:
            return
        self._parts = {path: _part(raw) for path, raw in sealed.read_all(self.folder, SUFFIX).items()}
        for part in self._parts.values():
            self._known |= part.kept

    def read(self, path: Path) -> Content:
        """Return the content of a result file, which is parsed only if it is not kept. Raises OSError."""
        about = path.stat()
        unfit = files.why_unfit(about)
        if unfit:
            return unfit
        name = _name(path)
        state = f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}"
        kept = self._known.get(name, NOTHING)
        if kept.state != state:
            before = time.time_ns()
            raw = files.read(path)
            is_settled = before - max(about.st_mtime_ns, about.st_ctime_ns) > RACY and len(raw) == about.st_size
            kept = self._looked_at(name, raw, state if is_settled else "")
        self._read[name] = kept
        return kept.content

    def _looked_at(self, name: str, raw: bytes, state: str) -> Kept:
        """Return a file with this content, as it is kept or parsed."""
        known, digest = self._known.get(name, NOTHING), sealed.digest(raw)
        if known.digest == digest:
            return known._replace(state=state)
        try:
            content, self._new[name] = result_file(raw)
        except MalformedError as reason:
            self._new[name] = np.empty((len(KEPT_COLUMNS), 0))
            return Kept(state, digest, str(reason))
        return Kept(state, digest, content)

    def points(self, paths: Iterable[Path]) -> Points:
        """Return the results of files that were read; a result's run is the place of its file among `paths`."""
        return self._of([_name(path) for path in paths])

    def _of(self, names: Sequence[str]) -> Points:
        number = {name: place for place, name in enumerate(names)}
        parts = [*self._parts.values(), self._added()]
        owner = {name: place for place, part in enumerate(parts) for name in self._current(part)}
        return joined(
            part.points.renumbered(
                np.array([number.get(name, -1) if owner.get(name) == place else -1 for name in part.kept], np.int32)
            )
            for place, part in enumerate(parts)
        )

    def _age(self, name: str) -> tuple[int, int, str]:
        content = self._read[name].content
        return (content.about.date, content.about.started, name) if isinstance(content, Header) else (0, 0, name)

    def _added(self) -> _Part:
        return _Part({name: self._read[name] for name in self._new}, of_runs([*self._new.values()]))

    def _current(self, part: _Part) -> list[str]:
        """Return the names of a part's files that have the same content now."""
        return [name for name, kept in part.kept.items() if self._read.get(name, NOTHING).digest == kept.digest]

    def save(self, described: Mapping[str, Mapping[str, Any]]) -> None:
        """Add a Parquet file for new files; or replace all by one, if there are too many or some are out of date.

        `described` is asv's description of each benchmark.
        """
        stored = sum(len(part.kept) for part in self._parts.values())
        again = sum(self._known[name].state != kept.state for name, kept in self._read.items() if name in self._known)
        is_tidy = all(part.kept and len(self._current(part)) == len(part.kept) for part in self._parts.values())
        is_tidy &= stored == len(self._known) and max(len(self._parts), again) < MOST_FILES
        if self.folder is None or (is_tidy and not self._new):
            return
        names = sorted(self._new if is_tidy else self._read, key=self._age)
        raw = _parquet({name: self._read[name] for name in names}, self._of(names), described)
        sealed.replace(self.folder, SUFFIX, raw, () if is_tidy else self._parts)


def _name(path: Path) -> str:
    return "/".join(os.fspath(path).rsplit(os.sep, 2)[-2:])  # a third of the time of its parts' properties


def _part(raw: bytes | None) -> _Part:
    """Return the content of a Parquet file; nothing if it is damaged or another version's."""
    if raw is None:
        return _Part({}, joined(()))
    file = parquet.ParquetFile(pa.BufferReader(raw))
    metadata = file.metadata.metadata or {}
    if METADATA not in metadata:
        return _Part({}, joined(()))
    said = json.loads(zlib.decompress(metadata[METADATA]))
    table = file.read(list(Points._fields), use_threads=False)
    texts = said["texts"]
    kept = {name: Kept(state, digest, _content(content, texts)) for name, state, digest, content in said["files"]}
    return _Part(kept, Points(*(table[name].to_numpy() for name in Points._fields)))


def _content(said: Any, texts: Sequence[str]) -> Content:
    if isinstance(said, str):
        return said
    about, shared = said
    return Header(About(*about), Shared(*(texts[place] for place in shared)))


def _metadata(kept: Mapping[str, Kept]) -> bytes:
    """Return everything but the results, as compressed JSON. Most files share most texts."""
    texts: dict[str, int] = {}
    said = [
        (
            name,
            each.state,
            each.digest,
            each.content
            if isinstance(each.content, str)
            else (each.content.about, [texts.setdefault(text, len(texts)) for text in each.content.shared]),
        )
        for name, each in kept.items()
    ]
    return zlib.compress(json.dumps({"texts": list(texts), "files": said}).encode(), 1)


#: Columns by name, as they are for a series.
OF_SERIES: dict[str, Callable[[SeriesKey], str]] = {
    "benchmark": lambda key: key.benchmark,
    "parameters": lambda key: json.dumps(key.parameters, ensure_ascii=False),
    "version": lambda key: key.version,
    "machine": lambda key: key.machine,
    "engine": lambda key: key.engine,
    "environment": lambda key: key.environment,
}
#: Columns by name, as they are for a run.
OF_RUN: dict[str, Callable[[Header], Any]] = {
    "commit": lambda header: header.about.commit,
    "python": lambda header: json.loads(header.shared.packages).get("python", ""),
    "packages": lambda header: header.shared.packages,
    "facts": lambda header: header.shared.facts,
    "commit_date": lambda header: header.about.date,
    "started": lambda header: header.about.started or None,
    "dirty": lambda header: header.about.dirty,
}
TYPES = {"commit_date": pa.timestamp("ms"), "started": pa.timestamp("ms"), "dirty": pa.bool_()}
PLAIN = ("dirty", "run", "slot", "value")  #: columns that need no dictionary
ENCODING: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 3,
    "store_schema": False,
    "dictionary_pagesize_limit": 2**26,
    "max_rows_per_page": 2**20,  # runs repeat from series to series, which only large pages show
    "data_page_size": 2**24,
    "column_encoding": {
        "dirty": "PLAIN",
        "run": "DELTA_BINARY_PACKED",
        "slot": "DELTA_BINARY_PACKED",
        "value": "BYTE_STREAM_SPLIT",
    },
}


def _parquet(kept: Mapping[str, Kept], points: Points, described: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return a Parquet file of these files, in which each result is a row. Files are in the order of dates."""
    headers = {place: each.content for place, each in enumerate(kept.values()) if isinstance(each.content, Header)}
    place = np.full(len(kept), -1, dtype=np.int32)
    place[list(headers)] = np.arange(len(headers), dtype=np.int32)
    runs = list(headers.values())
    keys, series = numbered(points.renumbered(place), [(each, each.about.machine) for each in runs])
    order = np.lexsort((points.run, series))
    points, series = points.take(order), series[order]
    run = place[points.run]
    columns = {name: _column(name, map(of, keys), series) for name, of in OF_SERIES.items()}
    columns["unit"] = _column("unit", (unit(key, described) for key in keys), series)
    columns |= {name: _column(name, map(of, runs), run) for name, of in OF_RUN.items()}
    columns["file"] = _column("file", map(list(kept).__getitem__, headers), run)
    columns |= points._asdict()
    table = pa.table(columns)
    written = pa.BufferOutputStream()
    use = [name for name in columns if name not in PLAIN]
    with parquet.ParquetWriter(written, table.schema, use_dictionary=use, **ENCODING) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({METADATA: _metadata(kept)})
    raw: bytes = written.getvalue().to_pybytes()
    return raw


def unit(key: SeriesKey, described: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the unit of a series; asv describes that of its own benchmarks."""
    if key.engine != "asv":
        return kind_of(key.benchmark)["unit"]
    said = described.get(key.benchmark, {}).get("unit")
    kind = key.benchmark.rpartition(".")[2].partition("_")[0].lower()
    return str(said or UNITS.get(kind, "seconds"))


def _column(name: str, values: Iterable[Any], which: Integers) -> pa.Array:
    """Return the chosen ones of some values, each kept once."""
    known: dict[Any, int] = {}
    codes = np.array([known.setdefault(_writable(value), len(known)) for value in values], dtype=np.int32)
    column = pa.DictionaryArray.from_arrays(codes[which], pa.array(list(known), TYPES.get(name, pa.string())))
    return column.dictionary_decode() if name in TYPES else column  # Parquet takes no null in a dictionary


def _writable(value: Any) -> Any:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
