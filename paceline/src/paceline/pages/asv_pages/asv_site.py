"""Computes what `asv publish` does, with asv's own graphs and publishers, from columns instead of files.

asv reads every file three times, keeps a list per point, and runs a git process per tag and per jump. Here asv's code
gets the same data in memory. A test compares the result with that of `asv publish`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import html
import itertools
import json
import math
import re
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
from asv import feed, graph, util
from asv.graph import Graph, GraphSet
from asv.plugins import git, regressions, summarygrid, summarylist

from paceline.errors import PacelineError
from paceline.history.asv import order
from paceline.pages.asv_pages import steps
from paceline.system.git import git as run_git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from asv.config import Config
    from numpy.typing import NDArray

    from paceline.pages.asv_pages.rows import Rows

    Floats = NDArray[np.float64]

LONGEST_PATH = 2000  # bytes of a graph's folders; systems allow about 4000 for the whole path
LONGEST_FOLDER = 255 - len("-null")
LONGEST_NAME = 255 - len(".json.js")  # bytes that a file system allows
NO_LINK = re.compile(r'<a href="#[^"]*">([^<]*)</a>')  # a commit, if no address of commits is known
PUBLISHERS = (summarygrid.SummaryGrid, summarylist.SummaryList, regressions.Regressions)


class Tag(NamedTuple):
    """The commit of a tag, and its author date in seconds."""

    commit: str
    date: int


class Repository(git.Git):  # type: ignore[misc]  # asv has no types
    """asv's repository with one call of git for all tags, results and jumps."""

    def __init__(self, url: str, mirror: str, commits: frozenset[str]) -> None:
        super().__init__(url, mirror)
        self.folder = Path(self._path)
        self._measured = commits
        self._lines: dict[str | None, tuple[str, list[str]]] = {}

    @cached_property
    def _tags(self) -> dict[str, Tag]:
        """Return the tags by name."""
        fields = "%(refname:strip=2)%00%(objectname)%00%(*objectname)%00%(authordate:unix)%00%(*authordate:unix)"
        listed = run_git(self._path, "for-each-ref", "--sort=taggerdate", f"--format={fields}", "refs/tags")
        found = {}
        for line in listed.splitlines():
            name, tag, commit, date, tagged_date = line.split("\0")
            if date or tagged_date:  # a tag of a file or of a tree has no commit
                found[name] = Tag(commit or tag, int(tagged_date or date))
        return found

    def get_tags(self) -> dict[str, str]:
        """Return the commit of each tag."""
        return {name: tag.commit for name, tag in self._tags.items()}

    def get_date_from_name(self, name: str) -> int:
        """Return the date of a commit, milliseconds since 1970."""
        dates = dict(self._tags.values())
        return 1000 * dates[name] if name in dates else int(super().get_date_from_name(name))

    def line(self, branch: str | None) -> tuple[str, list[str]]:
        """Return the local name of a branch, and its commits along first parents, oldest first."""
        if branch not in self._lines:
            self._lines[branch] = order.line(self.folder, branch, self._measured)
        return self._lines[branch]

    def get_branch_name(self, branch: str | None = None) -> str:
        """Return the name of a branch; None is the default one."""
        return branch or self.line(None)[0]

    def get_branch_commits(self, branch: str | None) -> list[str]:
        """Return the commits of a branch along first parents, newest first."""
        return self.line(branch)[1][::-1]

    def get_hashes_from_range(self, range_spec: str) -> list[str]:
        """Return the commits after one up to another, newest first, along a branch if both are on it."""
        before, _, after = range_spec.partition("..")
        for _, commits in self._lines.values():
            places = self._places(commits)
            if before in places and after in places:
                return commits[places[before] + 1 : places[after] + 1][::-1]
        found: list[str] = super().get_hashes_from_range(range_spec)
        return found

    def _places(self, commits: list[str]) -> dict[str, int]:
        known: dict[int, dict[str, int]] = self.__dict__.setdefault("_known_places", {})
        return known.setdefault(id(commits), {commit: place for place, commit in enumerate(commits)})


class Line(Graph):  # type: ignore[misc]  # asv has no types
    """A graph that gets all its points at once."""

    def __init__(
        self, benchmark: str, params: Mapping[str, str | None], revisions: Sequence[int], width: int | None
    ) -> None:
        super().__init__(benchmark, dict(params))
        self.revisions = revisions
        self.scalar_series = width is None
        self.n_series = 1 if width is None else width
        self.values: Floats = np.empty((0, self.n_series))
        self.weights: Floats = np.empty((0, self.n_series))

    @classmethod
    def get_file_path(cls, params: Mapping[str, Any], benchmark_name: str) -> str:
        """Return the path at which asv's script requests the graph."""
        plain = {_plain(name): _plain(value) if isinstance(value, str) else value for name, value in params.items()}
        path: str = super().get_file_path(plain, _plain(benchmark_name))
        return path

    def fill(self, values: Floats, weights: Floats) -> None:
        """Set `(revisions, n_series)` values and weights, without missing ones at the ends.

        A mean that is too large for a float counts as missing: browsers cannot read Infinity in JSON.
        """
        values, weights = (np.where(np.isfinite(each), each, np.nan) for each in (values, weights))
        there = np.flatnonzero(~np.isnan(values).all(axis=1))
        span = slice(there[0], there[-1] + 1) if len(there) else slice(0, 0)
        self.revisions, self.values, self.weights = self.revisions[span], values[span], weights[span]

    def _listed(self, numbers: Floats) -> list[Any]:
        return _lists(numbers[:, 0] if self.scalar_series else numbers)

    @cached_property
    def _data(self) -> list[tuple[int, Any, Any]]:
        return list(zip(self.revisions, self._listed(self.values), self._listed(self.weights), strict=True))

    def get_data(self) -> list[tuple[int, Any, Any]]:
        """Return revisions, values and weights."""
        return self._data

    def take_steps(self, found: Sequence[Sequence[steps.Step]]) -> None:
        """Set the steps of each series, with revisions for positions."""
        at = self.revisions
        self._steps = [
            [(at[left], at[right - 1] + 1, *rest) for left, right, *rest in each] for each in found
        ] or [[]]  # fmt: skip

    def save(self, html_dir: str) -> None:
        """Write revisions and values."""
        target = Path(html_dir, self.path + ".json")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(orjson.dumps(list(zip(self.revisions, self._listed(self.values), strict=True))))


class Lines(GraphSet):  # type: ignore[misc]  # asv has no types
    """asv's set of graphs."""

    def groups(self) -> Iterator[tuple[str, list[Line]]]:
        """Return the graphs of each benchmark."""
        return iter(self._groups.items())

    def add(self, line: Line) -> bool:
        """Add a graph; return False if another graph has the same file."""
        if line.path in self._graphs:
            return False
        self._graphs[line.path] = line
        self._groups.setdefault(line.benchmark_name, []).append(line)
        return True


@dataclass
class Site:
    """The data to publish: `benchmarks` and `machines` as in asv's files, `rows` of all usable results."""

    conf: Config
    repo: Repository
    benchmarks: dict[str, dict[str, Any]]
    machines: Mapping[str, Mapping[str, Any]]
    rows: Rows
    notices: list[str] = field(default_factory=list)

    @cached_property
    def revisions(self) -> dict[str, int]:
        """Return the number of each commit that has results or a tag."""
        measured = {head["commit"] for head in self.rows.heads}
        found: dict[str, int] = self.repo.get_revisions(measured | set(self.repo.get_tags().values()))
        return found

    @cached_property
    def branches(self) -> dict[str | None, set[str]]:
        """Return the commits of each branch; a tagged commit on none belongs to all."""
        tagged = set(self.repo.get_tags().values())
        lines = {branch: set(self.repo.get_branch_commits(branch)) for branch in self.conf.branches}
        somewhere = set[str]().union(*lines.values())
        return {branch: commits | (tagged - somewhere) for branch, commits in lines.items()}

    @cached_property
    def surroundings(self) -> list[dict[str, Any] | None]:
        """Return the parameters of each file, with its environment; None if they cannot be folder names.

        asv names the folders of all graphs by the parameters of all files. A file that would make these paths too
        long is left out.
        """
        found: list[dict[str, Any] | None] = []
        lengths: dict[str, int] = {}
        for head in self.rows.heads:
            params = {name: "" if value is None else value for name, value in head["params"].items()}
            params |= {f"env-{name}": "" if value is None else value for name, value in head["env_vars"].items()}
            parts = {name: _part(name, value) for name, value in params.items()}
            longer = lengths | {name: max(len(part), lengths.get(name, 0)) for name, part in parts.items()}
            if all(map(_can_be_a_folder, parts.values())) and sum(longer.values()) <= LONGEST_PATH:
                found.append(params)
                lengths = longer
            else:
                found.append(None)
        return found


def _plain(text: str) -> str:
    """Return a text without backslashes, as in asv.js; asv.util.sanitize_filename leaves them in."""
    return text.replace("\\", "_")


def _file(text: str) -> str:
    """Return asv.js's file or folder name for a text."""
    file: str = util.sanitize_filename(_plain(text))
    return file


def _part(name: str, value: Any) -> bytes:
    """Return asv's folder name for a parameter."""
    return _file(f"{name}-{value}" if value else name).encode()


def _can_be_a_folder(part: bytes) -> bool:
    return part.strip(b". ") != b"" and len(part) <= LONGEST_FOLDER


def publish(site: Site, output: Path, cache: Path, progress: Callable[[str], None], *, refit: bool = False) -> None:
    """Write asv's data to `output`. Raises PacelineError if no result belongs to the repository."""
    if not any(head["commit"] in site.revisions for head in site.rows.heads):
        raise PacelineError(
            f"none of {len(site.rows.heads)} results is of a commit in {site.conf.repo}. Fetch the branch that was"
            " measured; in a shallow clone, run `git fetch --unshallow`."
        )
    site.conf.html_dir = str(output)
    site.conf.show_commit_url = web(site.conf.show_commit_url)
    lines = _lines(site)
    _detect(lines, cache, progress, refit=refit)
    progress(f"writing {len(lines)} graph{'s' * (len(lines) != 1)}")
    lines.save(site.conf.html_dir)
    _save_summaries(lines, output)
    shown = _with_regressions(site)
    with _feeding(site):
        summarylist.SummaryList.publish(site.conf, site.repo, site.benchmarks, lines, site.revisions)
        regressions.Regressions.publish(site.conf, site.repo, shown, lines, site.revisions)
    _write_index(site, lines, output)


def _lists(numbers: Floats) -> list[Any]:
    """Return lists with None for NaN."""
    if np.isnan(numbers).any():
        numbers = np.where(np.isnan(numbers), np.array(None), numbers)
    found: list[Any] = numbers.tolist()
    return found


# Graphs


def _lines(site: Site) -> Lines:
    """Return a graph for each benchmark, set of parameters and branch."""
    rows = site.rows
    known = [params for params in site.surroundings if params is not None]
    every = dict.fromkeys(name for params in known for name in params)
    kinds: dict[str, int] = {}
    kind = np.array([_kind(params, kinds) for params in site.surroundings], dtype=int)
    number = np.array([site.revisions.get(head["commit"], -1) for head in rows.heads], dtype=int)
    members = {
        branch: np.array([head["commit"] in commits for head in rows.heads], dtype=bool) & (number >= 0)
        for branch, commits in site.branches.items()
    }
    lines = Lines()
    unpublished: list[str] = []
    for name in _wanted(site):
        mine = _rows_of(site, name, site.benchmarks[name]["version"])
        for (key, index), (branch, member) in itertools.product(kinds.items(), members.items()):
            here = mine[(kind[rows.run[mine]] == index) & member[rows.run[mine]]]
            if len(here):
                params = dict.fromkeys(every) | json.loads(key) | {"branch": site.repo.get_branch_name(branch)}
                if not lines.add(_line(site, name, params, here, number)):
                    unpublished.append(name)
    if len(known) < len(site.surroundings):
        site.notices.append(
            "results that are not on asv's pages, as their parameters cannot be names of folders:"
            f" {len(site.rows.heads) - len(known)}"
        )
    if unpublished:
        site.notices.append(f"{_some(unpublished)}: not on asv's pages, as another benchmark has the same file name")
    return lines


def _kind(params: Mapping[str, Any] | None, kinds: dict[str, int]) -> int:
    """Return the number of a set of parameters; -1 for none."""
    return -1 if params is None else kinds.setdefault(json.dumps(params, sort_keys=True), len(kinds))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]!a}{more}"


def _wanted(site: Site) -> list[str]:
    """Return the names of benchmarks that can be file names."""
    names = {site.rows.texts[index] for index in np.unique(site.rows.name)} & set(site.benchmarks)
    sound = [name for name in sorted(names) if _can_be_a_file(name)]
    if wrong := sorted(names - set(sound)):
        site.notices.append(f"{_some(wrong)}: not on asv's pages, as the name cannot be a file name, or is too long")
        for name in wrong:
            del site.benchmarks[name]
    return sound


def _can_be_a_file(name: str) -> bool:
    file = _file(name)
    return bool(file.strip()) and file != "summary" and len(file.encode()) <= LONGEST_NAME


def _rows_of(site: Site, name: str, version: str | None) -> NDArray[np.int64]:
    """Return the rows of a benchmark in its described version, or without a version, as in old files."""
    texts = site.rows.texts
    mine = np.flatnonzero(site.rows.name == texts.index(name))
    said = site.rows.version[mine]
    current = texts.index(version) if version in texts else -2
    chosen: NDArray[np.int64] = mine[(said == -1) | (said == current)]
    return chosen


def _line(
    site: Site, name: str, params: Mapping[str, str | None], mine: NDArray[np.int64], number: NDArray[np.int64]
) -> Line:
    rows = site.rows
    described: list[list[str]] = site.benchmarks[name]["params"]
    width = math.prod(map(len, described))
    values, weights = (np.full((len(mine), width), np.nan) for _ in range(2))
    for index in np.unique(rows.params[mine]):
        alike = np.flatnonzero(rows.params[mine] == index)
        source, target = _compatible(json.loads(rows.texts[index]), described)
        measured = alike[rows.count[mine[alike]] > 0]
        places = rows.first[mine[measured]][:, None] + source
        values[measured[:, None], target] = rows.values[places]
        weights[measured[:, None], target] = rows.weights[places]
    revisions, group = np.unique(number[rows.run[mine]], return_inverse=True)
    line = Line(name, params, revisions.tolist(), width if described else None)
    if len(revisions) < len(mine) or (group[:-1] > group[1:]).any():
        values, weights = (_means(each, group, len(revisions)) for each in (values, weights))
    line.fill(values, weights)
    return line


def _compatible(measured: list[list[str]], described: list[list[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of a row's values, and their targets: a benchmark's parameters may have changed."""
    if measured == described:
        both = np.arange(math.prod(map(len, described)))
        return both, both
    at = {combination: place for place, combination in enumerate(itertools.product(*measured))}
    pairs = [
        (at[each], place) for place, each in enumerate(itertools.product(*described)) if each in at
    ]  # fmt: skip
    source, target = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return source, target


def _means(numbers: Floats, group: NDArray[np.int64], count: int) -> Floats:
    """Return the mean of each group without missing values, added up in order, as in asv."""
    there = ~np.isnan(numbers)
    sums, counts = np.zeros((count, numbers.shape[1])), np.zeros((count, numbers.shape[1]))
    with np.errstate(invalid="ignore", over="ignore"):
        np.add.at(sums, group, np.where(there, numbers, 0))
        np.add.at(counts, group, there)
        return sums / np.where(counts, counts, np.nan)


def _detect(lines: Lines, cache: Path, progress: Callable[[str], None], *, refit: bool) -> None:
    names = {(path, column): json.dumps([path, column]) for path, line in lines for column in range(line.n_series)}
    series = {
        names[path, column]: (
            np.ascontiguousarray(line.values[:, column]),
            np.ascontiguousarray(line.weights[:, column]),
        )
        for path, line in lines
        for column in range(line.n_series)
    }
    found = steps.detect(series, cache, progress, refit=refit)
    for path, line in lines:
        line.take_steps([found[names[path, column]] for column in range(line.n_series)])


# The grid


def _save_summaries(lines: Lines, output: Path) -> None:
    """Write the small graphs of the grid: geometric means over all graphs of a benchmark, as in asv.graph."""
    for name, group in lines.groups():
        revisions, *means = _summary(group)
        points = graph.resample_data(list(zip(revisions, *means, strict=True)))
        line = Line(name, {"summary": ""}, [revision for revision, _ in points], None)
        line.fill(np.array([[value] for _, value in points], dtype=float).reshape(-1, 1), np.empty((len(points), 1)))
        line.save(str(output))


def _summary(group: Sequence[Line]) -> tuple[list[int], list[float | None]]:
    """Return revisions and means as asv.graph._compute_summary_data_series does, but fast for series without gaps."""
    revisions = sorted(set[int]().union(*(line.revisions for line in group)))
    at = {revision: place for place, revision in enumerate(revisions)}
    columns = []
    for line in group:
        places = [at[revision] for revision in line.revisions]
        spread = np.full((len(revisions), line.n_series), np.nan)
        spread[places] = line.values
        columns.append(spread)
    values = np.concatenate(columns, axis=1)
    gaps = np.isnan(values)
    filled = [_filled(column) if gap.any() else column.tolist() for column, gap in zip(values.T, gaps.T, strict=True)]
    rows = zip(*filled, strict=True)
    return revisions, [None if nothing else _mean(row) for row, nothing in zip(rows, gaps.all(axis=1), strict=True)]


def _filled(column: Floats) -> list[float | None]:
    filled: list[float | None] = graph._fill_missing_data(_lists(column))  # noqa: SLF001 - asv has no public name for it
    return filled


def _mean(row: Sequence[float | None]) -> float | None:
    """Return the result of asv.util.geom_mean_na, with fewer passes over the values."""
    if None in row:
        mean: float | None = util.geom_mean_na(row)
        return mean
    if len(row) == 1:
        return row[0]
    product, exponent = 1.0, 1 / len(row)
    for value in row:
        product *= abs(value) ** exponent  # type: ignore[arg-type]  # none is None
    return product if sum(row) >= 0 else -product  # type: ignore[arg-type]


# Pages


def _with_regressions(site: Site) -> dict[str, dict[str, Any]]:
    """Return benchmarks for asv's page of regressions and its feed, by name and by file, as these use both.

    asv takes the part before a bracket for the name.
    """
    named = Counter(map(_file, site.benchmarks))
    shown = {name: entry for name, entry in site.benchmarks.items() if "(" not in name and named[_file(name)] == 1}
    left_out = sorted(set(site.benchmarks) - set(shown))
    shown |= {_file(name): entry for name, entry in shown.items()}
    if left_out:
        site.notices.append(
            f"{_some(left_out)}: not on asv's page of regressions, which cannot distinguish such names"
        )
    return shown


@dataclass(frozen=True)
class _Result:
    """The part of asv.results.Results that asv's feed needs."""

    commit_hash: str
    date: int
    started_at: dict[str, float | None]

    def get_result_keys(self, benchmarks: Mapping[str, Any]) -> Iterator[str]:
        return (name for name in self.started_at if name in benchmarks)


def _results(site: Site) -> Iterator[_Result]:
    rows = site.rows
    bounds = np.searchsorted(rows.run, np.arange(len(rows.heads) + 1)).tolist()
    names = rows.name.tolist()
    started = _lists(rows.started)
    for head, begin, end in zip(rows.heads, bounds, bounds[1:], strict=False):
        of_file = {rows.texts[name]: time for name, time in zip(names[begin:end], started[begin:end], strict=True)}
        yield _Result(head["commit"], head["date"], of_file)


class _SafeEntry(feed.FeedEntry):  # type: ignore[misc]  # asv has no types
    """An entry of the feed with an escaped link; asv does not escape the benchmark's name."""

    def __init__(self, title: str, updated: Any, link: str, content: str, *rest: Any) -> None:
        safe = urllib.parse.quote(link, safe="/#?=&%+")
        shown = NO_LINK.sub(r"\1", content.replace(link, html.escape(safe)))
        super().__init__(title, updated, safe, shown, *rest)


@contextlib.contextmanager
def _feeding(site: Site) -> Iterator[None]:
    """Let asv's publishers use our paths, and our results instead of reading the files again."""
    read, entry = regressions.iter_results, feed.FeedEntry
    regressions.iter_results = lambda _: _results(site)
    feed.FeedEntry = _SafeEntry
    summarylist.Graph = Line
    try:
        yield
    finally:
        regressions.iter_results, feed.FeedEntry, summarylist.Graph = read, entry, Graph


def _write_index(site: Site, lines: Lines, output: Path) -> None:
    listed, graphs = _surroundings_of_graphs(lines)
    dates = {head["commit"]: head["date"] for head in site.rows.heads}
    tags = site.repo.get_tags()
    dates |= {commit: site.repo.get_date_from_name(commit) for commit in tags.values()}
    conf = site.conf
    index = {
        "project": conf.project,
        "project_url": web(conf.project_url),
        "show_commit_url": conf.show_commit_url,
        "hash_length": conf.hash_length,
        "revision_to_hash": {number: commit for commit, number in site.revisions.items()},
        "revision_to_date": {number: dates[commit] for commit, number in site.revisions.items()},
        "params": _choices(site, listed),
        "graph_param_list": listed,
        "graphs_of": graphs,  # ours: see asv-data.js
        "benchmarks": site.benchmarks,
        "machines": {str(machine["machine"]): machine for machine in site.machines.values()},
        "tags": {tag: site.revisions[commit] for tag, commit in tags.items() if commit in site.revisions},
        "pages": [[each.name, each.button_label, each.description] for each in PUBLISHERS],
    }
    now = dt.datetime.now(dt.UTC)
    about = {"asv-version": version("asv"), "timestamp": util.datetime_to_js_timestamp(now)}
    (output / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (output / "info.json").write_text(json.dumps(about, indent=4, sort_keys=True), encoding="utf-8")


def _surroundings_of_graphs(lines: Lines) -> tuple[list[dict[str, Any]], dict[str, list[int]]]:
    """Return the sets of parameters that have graphs, and each benchmark's positions in this list."""
    listed: list[dict[str, Any]] = []
    seen: dict[tuple[Any, ...], int] = {}
    graphs: dict[str, list[int]] = {}
    for _, line in lines:
        key = tuple(sorted(line.params.items(), key=str))
        if key not in seen:
            seen[key] = len(seen)
            listed.append(line.params)
        graphs.setdefault(line.benchmark_name, []).append(seen[key])
    return listed, graphs


def _choices(site: Site, listed: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the values of each parameter to choose from; None is one if some graphs lack the parameter."""
    found: dict[str, set[Any]] = {}
    for around in filter(None, site.surroundings):
        for name, value in around.items():
            found.setdefault(name, set()).add(value)
    for params in listed:
        for name in (name for name, value in params.items() if value is None):
            found[name].add(None)
    choices = {
        name: sorted(each, key=lambda value: "[none]" if value is None else str(value))
        for name, each in found.items()
    }
    return choices | {"branch": [site.repo.get_branch_name(branch) for branch in site.conf.branches]}


def web(address: str) -> str:
    """Return an http or https address; "#" for any other, which a browser might run."""
    try:
        scheme = urllib.parse.urlsplit(address).scheme
    except ValueError:  # it has half a bracket
        return "#"
    return address if scheme in {"http", "https"} else "#"
