"""Whatever a results folder holds: what cannot be used is named in one line, and the rest is read."""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paceline.errors import PacelineError
from paceline.history.asv.asv_files import DEEPEST
from paceline.history.asv.store import load, sound, why_not
from paceline.history.model import History, Series
from projects import Project
from trees import COLUMNS, MACHINE, commit, ours, result, row, write

DEEP = "[" * 100_000


def read(results: Path, **more: Any) -> History:
    return load(results, cache=results.parent / "cache", **{"repository": None} | more)


def as_text(document: Any) -> str:
    return json.dumps(document)


def with_row(*changes: tuple[str, Any]) -> dict[str, Any]:
    cells: list[Any] = [*row(), None, None]
    for column, value in changes:
        cells[COLUMNS.index(column)] = value
    return result(rows={"suite.time_it": cells})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in result().items() if key != name}


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "truncated": (as_text(result())[:300], "is not JSON: "),
    "empty": ("", "is empty"),
    "null": ("null", "expected a JSON object, got None"),
    "a list": ("[]", "expected a JSON object, got []"),
    "not UTF-8": (as_text(result()).encode().replace(b"suite", b"su\xffte"), "is not UTF-8: byte "),
    "nested deeply": (DEEP, "is nested too deeply"),
    "nested deeply within": (as_text(result()).replace('"durations": {}', '"durations": ' + DEEP), "is nested too"),
    "half a character": (as_text(result(rows={"a.\ud800": row()})), "half a surrogate pair"),
    "an integer of 5000 digits": (as_text(result()).replace("1.0", "1" * 5000), "is not JSON: "),
    "an integer of 400 digits": (as_text(result()).replace("[1.0]", f"[{'1' * 400}]", 1), "too large"),
    "an older version": (as_text(result(version=1)), "version: expected 2, got 1. Run `asv update`"),
    "a newer version": (as_text(result(version=3)), "version: expected 2, got 3"),
    "the version as text": (as_text(result(version="2")), "version: expected 2, got '2'"),
    "true as version": (as_text(result(version=True)), "version: expected 2, got True"),
    "no version": (as_text(without("version")), "version: expected 2, got None"),
    "a short hash": (
        as_text(result(commit_hash="abcdef12")),
        "'commit_hash': expected 40 hexadecimal digits, got 'abcdef12'",
    ),
    "no hexadecimal hash": (as_text(result(commit_hash="z" * 40)), "expected 40 hexadecimal digits"),
    "null as hash": (as_text(result(commit_hash=None)), "'commit_hash': expected a string, got None"),
    "a date as text": (as_text(result(date="today")), "'date': expected milliseconds since 1970, got 'today'"),
    "an infinite date": (as_text(result(date=math.inf)), "'date': expected milliseconds since 1970, got inf"),
    "no date": (as_text(result(date=math.nan)), "'date': expected milliseconds since 1970, got nan"),
    "a date after all calendars": (as_text(result(date=10**18)), "expected milliseconds since 1970"),
    "a list as parameter": (
        as_text(result(params={"machine": MACHINE, "os": []})),
        "'params': 'os': expected a string, got []",
    ),
    "no machine": (as_text(result(params={})), "'machine' is missing"),
    "another machine": (
        as_text(result(params={"machine": "b"})),
        "machine: expected 'lab', as in machine.json, got 'b'",
    ),
    "a list of environment variables": (as_text(result(env_vars=[])), "'env_vars': expected an object, got []"),
    "a list of results": (as_text(result(results=[])), "results: expected an object, got []"),
    "a column that asv does not know": (
        as_text(result(result_columns=["result", "x"])),
        "expected asv's columns, got ['x']",
    ),
    "a row that is no list": (as_text(result(rows={"a": 1.0})), "results: 'a': expected a list, got 1.0"),
    "a row that is too long": (as_text(result(rows={"a": [None] * 99})), "expected 13 columns, got 99"),
    "a result that is no list": (as_text(with_row(("result", 1.0))), "'result': expected a list of numbers, got 1.0"),
    "a result that is a text": (
        as_text(with_row(("result", "abc"))),
        "'result': expected a list of numbers, got 'abc'",
    ),
    "a text among results": (
        as_text(with_row(("result", ["1.0"]))),
        "'result': expected a list of numbers, got ['1.0']",
    ),
    "a list among results": (
        as_text(with_row(("result", [[1.0]]))),
        "'result': expected a list of numbers, got [[1.0]]",
    ),
    "an infinite result": (
        as_text(with_row(("result", [math.inf]))),
        "Infinity is not a measurement, and asv would hang on it",
    ),
    "a result too large for a float": (as_text(result()).replace("[1.0]", "[1e999]", 1), "Infinity"),
    "too many results": (as_text(with_row(("result", [1.0, 2.0]))), "2 results for 1 combinations"),
    "too few results": (as_text(with_row(("result", []))), "0 results for 1 or more"),
    "parameters that multiply": (as_text(with_row(("params", [["1"] * 99] * 99))), "1 results for 99 or more"),
    "no parameters": (
        as_text(result(rows={"a": [[1.0]]})),
        "'params': expected a list of lists of strings, got None",
    ),
    "a parameter that is no text": (
        as_text(with_row(("params", [[1]]))),
        "'params': expected a list of lists of strings, got [[1]]",
    ),
    "an interval that is a text": (
        as_text(with_row(("stats_ci_99_a", ["x"]))),
        "'stats_ci_99_a': expected a list of numbers, got ['x']",
    ),
    "an interval too long": (
        as_text(with_row(("stats_q_25", [1, 2]))),
        "'stats_q_25': expected 1 values, got 2",
    ),
    "a version that is no text": (as_text(with_row(("version", 1))), "'version': expected a string, got 1"),
    "a start that is no time": (as_text(with_row(("started_at", "now"))), "'started_at': expected a time, got 'now'"),
    "samples of the wrong length": (as_text(with_row(("samples", []))), "'samples': expected 1 values, got 0"),
    "our key as a list": (as_text(result(paceline=[])), "paceline: expected an object, got []"),
    "our schema of the future": (as_text(ours(schema=2)), "paceline: schema: expected 1, got 2"),
    "packages as a list": (as_text(ours(packages=[])), "'packages': expected an object, got []"),
    "axes as a list": (as_text(ours(benchmarks={"a": {"axes": []}})), "axes of 'a': expected an object, got []"),
    "NaN as an axis": (as_text(ours(benchmarks={"a": {"axes": {"b": [math.nan]}}})), "NaN or Infinity in a field"),
    "NaN as a parameter": (
        as_text(result(params={"machine": MACHINE, "os": math.nan})),
        "'os': expected a string, got nan",
    ),
    "dirty as a text": (as_text(ours(dirty="no")), "dirty: expected true or false, got 'no'"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_named_and_the_rest_is_read(tmp_path: Path, content: str | bytes, reason: str) -> None:
    folder = write(tmp_path / "results", {"a.json": result(1), "c.json": result(3)})
    (folder / "b.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    for _ in ("cold", "warm"):
        history = read(tmp_path / "results")
        (bad,) = history.quarantined
        assert bad.path == folder / "b.json"
        assert reason in bad.reason
        assert bad.reason.isprintable()
        assert bad.reason.isascii()
        assert len(bad.reason) < 200
        assert [run.commit for run in history.runs] == [commit(1), commit(3)]
    alone = why_not(folder / "b.json")
    assert alone == bad.reason or (alone is None and "as in machine.json" in bad.reason)


def test_a_file_with_nan_is_read_as_one_without(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    numbers = [float(each) for each in draw.uniform(size=50) * 10.0 ** draw.integers(-300, 300, 50)]
    numbers += [5e-324, 0.1 + 0.2, 1.7976931348623157e308, 2**53 + 1, 2**64 + 1]
    rows = {f"a.track_{place}": row(number) for place, number in enumerate(numbers)}
    rows |= {"a.track_é\u2028": row(1.0)}
    write(tmp_path / "results", {"a.json": result(1, rows), "b.json": result(2, rows | {"a.time_b": row(math.nan)})})
    history = read(tmp_path / "results")  # NaN is no JSON, so another parser reads the second file
    assert len(history.series) == len(rows)
    for series in history.series:
        first, second = series.values.tolist()
        assert first == second
    assert {series.values[0] for series in history.series} == {1.0, *map(float, numbers)}


def by_name(history: History) -> dict[str, Series]:
    return {" ".join((each.key.benchmark, *each.key.parameters)): each for each in history.series}


def test_what_asv_leaves_out_is_absent(tmp_path: Path) -> None:
    skipped, failed = row(params=[["'a'", "'b'"]]), row()
    skipped[COLUMNS.index("result")] = [math.nan, 2.0]
    failed[COLUMNS.index("result")] = None
    quick = [[3.0], [], "v1", None, None, [-math.inf], [math.inf], [-math.inf], [None]]
    rows = {"a.time_skipped": skipped, "a.time_failed": failed, "a.time_quick": quick, "a.time_less": [[4.0], []]}
    write(tmp_path / "results", {"a.json": result(rows=rows)})
    history = read(tmp_path / "results")
    assert history.quarantined == ()
    series = by_name(history)
    assert {name: each.values.tolist() for name, each in series.items()} == {
        "a.time_less": [4.0],
        "a.time_quick": [3.0],
        "a.time_skipped 'b'": [2.0],
    }
    assert np.isnan([*series["a.time_quick"].low, *series["a.time_quick"].high]).all()
    assert set(history.benchmarks) == {"a.time_skipped", "a.time_quick", "a.time_less"}


def test_parameters_are_told_apart_and_quartiles_kept(tmp_path: Path) -> None:
    cells = row(params=[["1", "2"], ["'x'", "'y'"]])
    cells[0] = [1.0, 2.0, 3.0, 4.0]
    write(tmp_path / "results", {"a.json": result(rows={"a.time_it": cells})})
    series = by_name(read(tmp_path / "results"))
    assert {name: each.values.tolist() for name, each in series.items()} == {
        "a.time_it 1 'x'": [1.0],
        "a.time_it 1 'y'": [2.0],
        "a.time_it 2 'x'": [3.0],
        "a.time_it 2 'y'": [4.0],
    }
    one = series["a.time_it 2 'y'"]
    assert (one.low.tolist(), one.high.tolist()) == ([0.9], [1.1])
    assert one.key.environment == "virtualenv-py3.11-numpy"
    assert one.key.engine == "asv"
    assert one.key.version == "v1"


def test_runs_of_a_commit_are_joined_by_their_median(tmp_path: Path) -> None:
    values = {"a.json": (1, 5.0), "b.json": (2, 9.0), "c.json": (2, 1.0), "d.json": (2, 2.0), "e.json": (3, 7.0)}
    documents = {name: result(number, {"a.time_it": row(value)}) for name, (number, value) in values.items()}
    documents["f.json"] = result(3, {"a.time_it": row(8.0)})
    write(tmp_path / "results", documents)
    history = read(tmp_path / "results")
    (series,) = history.series
    assert series.values.tolist() == [5.0, 2.0, 7.5]
    assert np.allclose(series.low, [4.5, 1.8, 6.75])
    assert [history.runs[index].path.name for index in series.runs] == ["a.json", "d.json", "f.json"]


@pytest.mark.parametrize(("one", "other", "median"), [(1e308, 1.5e308, 1.25e308), (5e-324, 5e-324, 5e-324)])
def test_median_of_the_largest_and_the_smallest_numbers(
    tmp_path: Path, one: float, other: float, median: float
) -> None:
    documents = {f"{value}.{at}.json": result(1, {"a.time_it": row(value)}) for at, value in enumerate((one, other))}
    write(tmp_path / "results", documents)
    (series,) = read(tmp_path / "results").series
    assert series.values.tolist() == [median]


def test_facts_of_our_own_runs(tmp_path: Path) -> None:
    write(tmp_path / "results", {"a.json": ours()})
    history = read(tmp_path / "results")
    (run,) = history.runs
    assert run.packages == {"python": "3.11.7", "numpy": "2.0.1"}
    assert run.facts == {"governor": "performance"}
    (series,) = history.series
    assert (series.key.engine, series.key.environment) == ("pytest-benchmark 5.3.1", "")
    assert history.benchmarks["test_speed.test_it"].group == "g"
    assert history.benchmarks["test_speed.test_it"].axes == {"size": 3}


def test_facts_of_asv_runs(tmp_path: Path) -> None:
    write(tmp_path / "results", {"a.json": result()})
    (run,) = read(tmp_path / "results").runs
    assert run.packages == {"python": "3.11", "numpy": "2.0"}
    assert run.facts == {"os": "Linux"}
    assert (run.machine, run.started, run.dirty) == (MACHINE, 1_700_000_000_000, False)


def test_uncommitted_changes_have_no_values(tmp_path: Path) -> None:
    write(tmp_path / "results", {"a.json": ours(1), "b.json": ours(2, dirty=True)})
    history = read(tmp_path / "results")
    assert [run.dirty for run in history.runs] == [False, True]
    assert [each.runs.tolist() for each in history.series] == [[0]]
    assert history.notices == ("left out 1 run with uncommitted changes",)


def test_times_that_are_not_positive_are_absent_and_other_zeros_are_not(tmp_path: Path) -> None:
    rows = {"a.time_it": row(0.0), "a.mem_it": row(0), "a.track_it": row(-1)}
    folder = write(tmp_path / "results", {"a.json": result(rows=rows)})
    history = read(tmp_path / "results")
    assert {name: each.unit for name, each in by_name(history).items()} == {"a.mem_it": "bytes", "a.track_it": "unit"}
    entry = {"name": "a.track_it", "params": [], "param_names": [], "unit": "errors"}
    (folder.parent / "benchmarks.json").write_text(json.dumps({"version": 2, "a.track_it": entry}), encoding="utf-8")
    assert by_name(read(tmp_path / "results"))["a.track_it"].unit == "errors"


def test_patterns_say_whether_less_or_more_is_better_of_other_units(tmp_path: Path) -> None:
    rows = {"a.time_it": row(), "a.track_score": row(params=[["1", "2"]]), "a.track_loss": row(), "a.track_it": row()}
    write(tmp_path / "results", {"a.json": result(rows=rows)})
    settings = '[tool.paceline.direction]\n"a.*" = "more"\n"a.track_loss" = "less"\n"a.track_score(1)" = "less"\n'
    (tmp_path / "pyproject.toml").write_text(settings.replace("a.*", "a.track_s*"), encoding="utf-8")
    found = {name: each.direction for name, each in by_name(read(tmp_path / "results")).items()}
    assert found == {
        "a.time_it": "less",
        "a.track_loss": "less",
        "a.track_it": "",
        "a.track_score 1": "less",
        "a.track_score 2": "more",
    }
    (tmp_path / "pyproject.toml").write_text('[tool.paceline.direction]\n"a.time*" = "less"\n', encoding="utf-8")
    (notice,) = read(tmp_path / "results").notices
    assert notice == "[tool.paceline.direction]: 'a.time*' matches no benchmark whose direction is unknown"
    (tmp_path / "pyproject.toml").write_text('[tool.paceline]\ndirection = {"a.*" = "up"}\n', encoding="utf-8")
    with pytest.raises(PacelineError, match=r"direction: 'a\.\*': expected less or more, got 'up'"):
        read(tmp_path / "results")


@pytest.mark.parametrize(
    ("content", "reason"),
    {
        "no name": ('{"version": 1}', "'machine' is missing"),
        "no version": ('{"machine": "lab"}', "version: expected 1, got None"),
        "a list": ("[]", "expected a JSON object, got []"),
        "a list as name": ('{"machine": [], "version": 1}', "'machine': expected a string, got []"),
        "a list as field": ('{"machine": "lab", "os": [], "version": 1}', "'os': expected a string, got []"),
        "nothing": (None, "is missing"),
    }.values(),
)
def test_broken_machine_file_loses_no_results(tmp_path: Path, content: str | None, reason: str) -> None:
    folder = write(tmp_path / "results", {"a.json": result()})
    (folder / "machine.json").unlink()
    if content is not None:
        (folder / "machine.json").write_text(content, encoding="utf-8")
    found = sound(tmp_path / "results", tmp_path / "cache")
    assert [bad.path.name for bad in found.quarantined] == ["machine.json"]
    assert reason in found.quarantined[0].reason
    assert found.machines == {MACHINE: {"machine": MACHINE, "version": 1}}
    assert [path.name for path, _ in found.results] == ["a.json"]


@pytest.mark.parametrize(
    ("entries", "reason", "left"),
    [
        ("[", "is not JSON", []),
        ('{"version": 1}', "version: expected 2, got 1", []),
        (
            '{"version": 2, "a": [], "b": {"name": "b", "params": [], "param_names": []}}',
            "'a': expected an object",
            ["b"],
        ),
        ('{"version": 2, "a": {"name": "b"}}', "'a': name: expected 'a', got 'b'", []),
        (
            '{"version": 2, "a": {"name": "a"}, "b": 1}',
            "'a': param_names: expected a list of strings, got None (and 1 more)",
            [],
        ),
        ('{"version": 2, "a": {"name": "a", "params": [[]], "param_names": []}}', "1 parameters, but 0 names", []),
        (
            '{"version": 2, "a": {"name": "a", "params": [], "param_names": [], "timeout": NaN}}',
            "NaN or Infinity in a field",
            [],
        ),
        (
            '{"version": 2, "a": {"name": "a", "params": [], "param_names": [], "code": 1}}',
            "'code': expected a string",
            [],
        ),
    ],
)
def test_broken_benchmarks_file_loses_no_results(tmp_path: Path, entries: str, reason: str, left: list[str]) -> None:
    write(tmp_path / "results", {"a.json": result()})
    (tmp_path / "results" / "benchmarks.json").write_text(entries, encoding="utf-8")
    found = sound(tmp_path / "results", tmp_path / "cache")
    assert [bad.path.name for bad in found.quarantined] == ["benchmarks.json"]
    assert reason in found.quarantined[0].reason
    assert list(found.benchmarks) == left
    assert len(found.results) == 1


@pytest.mark.parametrize("inside", ["", "NaN", '"\\ud800"'])
@pytest.mark.parametrize("depth", [DEEPEST + 1, *range(970, 1030, 3)])
def test_nesting_that_some_parsers_take_is_named(tmp_path: Path, depth: int, inside: str) -> None:
    """Each of Python's and orjson's parsers and writers has a limit of its own."""
    nested = "[" * depth + inside + "]" * depth
    folder = write(tmp_path / "results", {"a.json": result()})
    axes = as_text(ours(benchmarks={"a": {"axes": {"b": 0}}})).replace('"b": 0', f'"b": {nested}')
    (folder / "b.json").write_text(axes, encoding="utf-8")
    entry = f'{{"name": "a", "params": [], "param_names": [], "x": {nested}}}'
    (folder.parent / "benchmarks.json").write_text(f'{{"version": 2, "a": {entry}}}', encoding="utf-8")
    found = sound(tmp_path / "results", tmp_path / "cache")
    reasons = [bad.reason for bad in found.quarantined]
    assert [bad.path.name for bad in found.quarantined] == ["b.json", "benchmarks.json"]
    assert all("nested too deeply" in reason or "half a surrogate pair" in reason for reason in reasons), reasons
    assert [path.name for path, _ in found.results] == ["a.json"]


def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "results", {"a.json": result()})
    (folder / "dangling.json").symlink_to(tmp_path / "nothing")
    (folder / "loop.json").symlink_to(folder / "loop.json")
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    with (folder / "vast.json").open("wb") as file:
        file.truncate(2**40)
    (folder / ".unfinished.tmp").write_text("{", encoding="utf-8")
    history = read(tmp_path / "results")
    assert {bad.path.stem: bad.reason for bad in history.quarantined} == {
        "dangling": "is a broken link",
        "folder": "is not a regular file",
        "loop": "is a broken link",
        "pipe": "is not a regular file",
        "vast": "is larger than 64 MiB",
    }
    assert len(history.runs) == 1


def test_links_to_nothing_in_place_of_folders_are_named(tmp_path: Path) -> None:
    write(tmp_path / "results", {"a.json": result()})
    for name in ("m-dangling", "benchmarks.json"):
        (tmp_path / "results" / name).symlink_to(tmp_path / "nothing")
    (tmp_path / "results" / "loop").symlink_to(tmp_path / "results" / "loop")
    history = read(tmp_path / "results")
    named = [(bad.path.name, bad.reason) for bad in history.quarantined]
    assert sorted(named) == [(name, "is a broken link") for name in ("benchmarks.json", "loop", "m-dangling")]
    assert len(history.runs) == 1


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PacelineError, match=r"no folder of results: .*Record a run"):
        read(tmp_path / "results")


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert read(tmp_path / "results") == History((), (), {}, ())


def test_without_a_repository_dates_give_the_order(tmp_path: Path) -> None:
    write(tmp_path / "results", {"z.json": result(1), "b.json": result(10), "y.json": result(3)})
    assert [run.commit for run in read(tmp_path / "results").runs] == [commit(1), commit(3), commit(10)]


def recorded(project: Project, *commits: str) -> Path:
    """Return a folder with a result for each commit, all of one date."""
    documents = {f"{name[:8]}.json": result(0, commit_hash=name) for name in commits}
    return write(project.root.parent / "results", documents).parent


def test_first_parents_give_the_order(project: Project) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    project.git("checkout", "-q", "-b", "topic")
    topic = project.commit({"a": "1"})
    project.git("checkout", "-q", "main")
    second = project.commit({"b": "1"})
    project.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
    merge = project.git("rev-parse", "HEAD").strip()
    results = recorded(project, merge, topic, second, first, "0" * 40)
    history = read(results, repository=project.root)
    assert [run.commit for run in history.runs] == [first, second, merge]
    assert history.notices == ("left out 2 runs whose commits are not on main",)
    topic_line = read(results, repository=project.root, branch="topic")
    assert [run.commit for run in topic_line.runs] == [first, topic]


def test_branch_of_asv_configuration(project: Project) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    project.git("checkout", "-q", "-b", "devel")
    second = project.commit({"asv.conf.json": '{"branches": ["devel",], // not main\n}'})
    results = recorded(project, second, first)
    assert [run.commit for run in read(results, repository=project.root).runs] == [first, second]


def test_old_local_branch_gives_way_to_the_fetched_one(project: Project, tmp_path: Path) -> None:
    project.git("clone", "-q", str(project.root), str(tmp_path / "clone"))
    second = project.commit({"b": "1"})
    clone = Project(tmp_path / "clone", tmp_path)
    clone.git("fetch", "-q")
    clone.git("checkout", "-q", "--detach")
    results = recorded(project, second)
    assert [run.commit for run in read(results, repository=clone.root).runs] == [second]


def test_shallow_clone_says_why_runs_are_missing(project: Project, tmp_path: Path) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    second = project.commit({"b": "1"})
    project.git("clone", "-q", "--depth=1", f"file://{project.root}", str(tmp_path / "shallow"))
    history = read(recorded(project, first, second), repository=tmp_path / "shallow")
    assert [run.commit for run in history.runs] == [second]
    assert "left out 1 run whose commit is not on" in history.notices[0]
    assert history.notices[0].endswith("This clone is shallow: run `git fetch --unshallow`")


def test_unknown_branch(project: Project) -> None:
    results = recorded(project, commit(1))
    with pytest.raises(PacelineError, match=r"has no branch 'nowhere'.* Name a branch with --branch, or fetch it"):
        read(results, repository=project.root, branch="nowhere")


def test_results_under_a_former_name_stay_in_the_series_of_their_machine(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for number, machine in enumerate(["old", "old", "new"]):
        write(results, {f"{number}.json": result(number, params={"machine": machine})}, machine)
    assert [each.key.machine for each in read(results).series] == ["new", "old"]
    machine_file = results / "new" / "machine.json"
    machine_file.write_text(as_text({"machine": "new", "formerly": "older old", "version": 1}), encoding="utf-8")
    history = read(results)
    (series,) = history.series
    assert (series.key.machine, series.values.size) == ("new", 3)
    assert {run.machine for run in history.runs} == {"new"}
    assert history.renamed == {"older": "new", "old": "new"}
