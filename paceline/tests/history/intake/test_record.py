"""A run joins the history, or one line says why it does not."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paceline.history.asv.asv_files import result_file
from paceline.history.asv.store import load
from paceline.history.intake.document import KEPT, asv_name, interval, quartiles, thinned, writable
from paceline.history.machine.naming import this_machine
from projects import Project, Run
from trees import ours

WRONG_USE = 4
QUICK = ("--benchmark-max-time=0.01", "--benchmark-min-rounds=5", "-p", "no:cacheprovider")
TEST = """
import pytest

@pytest.mark.parametrize("size", [3, 30])
def test_sum(benchmark, size):
    benchmark.group = "sums"
    benchmark.extra_info["version"] = "v2"
    benchmark(sum, range(size))

class TestText:
    def test_upper(self, benchmark):
        benchmark("abc".upper)
"""


@pytest.fixture
def measured(make_project: Callable[..., Project]) -> Project:
    """A project with three benchmarks in a folder."""
    return make_project(files={"benchmarks/test_speed.py": TEST, ".gitignore": "__pycache__/\n"})


def record(project: Project, *arguments: str) -> Run:
    return project.run_here(*QUICK, "--benchmark-record", *arguments)


def record_apart(project: Project, *arguments: str) -> Run:
    process = project.start(*QUICK, "--benchmark-record", *arguments)
    output, _ = process.communicate(timeout=120)
    return Run(process.returncode, output)


def files(project: Project, results: str = ".asv/results") -> list[Path]:
    return sorted((project.root / results).glob("*/*-*-*.json"))


def test_a_run_is_one_sound_file(measured: Project) -> None:
    run = record_apart(measured)
    assert run.status == 0, run.output
    head = measured.git("rev-parse", "HEAD").strip()
    (path,) = files(measured)
    assert path.name.startswith(head[:8] + "-")
    assert f"paceline: 3 recorded for {head[:12]}: {path}" in run.output
    assert path.parent.name == this_machine().name
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["commit_hash"] == head
    assert document["date"] == 1000 * int(measured.git("log", "-1", "--format=%at"))
    assert document["requirements"] == document["env_vars"] == {}
    assert set(document["params"]) == {
        "machine",
        "os",
        "arch",
        "cpu",
        "num_cpu",
        "ram",
        "python",
        "engine",
    }
    ours = document["paceline"]
    assert ours["engine"] == document["params"]["engine"]
    assert ours["engine"].startswith("pytest-benchmark ")
    assert ours["dirty"] is False
    assert ours["packages"]["numpy"] == np.__version__
    assert ours["facts"]["kernel"]
    assert ours["benchmarks"]["benchmarks.test_speed.test_sum[30]"] == {"group": "sums", "axes": {"size": 30}}
    assert {name: row[2] for name, row in document["results"].items()} == {
        "benchmarks.test_speed.TestText.test_upper": "1",
        "benchmarks.test_speed.test_sum[3]": "v2",
        "benchmarks.test_speed.test_sum[30]": "v2",
    }
    machine = json.loads((path.parent / "machine.json").read_text(encoding="utf-8"))
    assert set(machine) - {"formerly"} == {"machine", "os", "arch", "cpu", "num_cpu", "ram", "version"}


def test_what_is_recorded_is_read(measured: Project) -> None:
    record(measured)
    second = measured.commit({"a": "b"})
    record(measured)
    history = load(measured.root / ".asv/results", repository=measured.root)
    assert history.quarantined == ()
    assert history.runs[1].commit == second
    assert sorted(series.key.benchmark for series in history.series) == [
        "benchmarks.test_speed.TestText.test_upper",
        "benchmarks.test_speed.test_sum[30]",
        "benchmarks.test_speed.test_sum[3]",
    ]
    for series in history.series:
        assert series.runs.tolist() == [0, 1]
        assert (series.low <= series.values * 1.0001).all()
        assert (series.values <= series.high * 1.0001).all()


ODD = """
import pytest

@pytest.mark.benchmark(group="\\ud800")
@pytest.mark.parametrize("n", ["\\ud800", 2**64, 2**64 + 1, 10**5000, float("inf")], ids=[*"abcde"])
def test_parameter(benchmark, n):
    benchmark(sum, [1])

@pytest.mark.benchmark(group=5)
@pytest.mark.parametrize("version", ["\\udcff", 10**5000, [10**5000]], ids=[*"abc"])
def test_version(benchmark, version):
    benchmark.extra_info["version"] = version
    benchmark(sum, [1])
"""


def test_whatever_a_test_is_told_by_is_read_again(make_project: Callable[..., Project]) -> None:
    project = make_project(files={"test_odd.py": ODD})
    assert record(project).status == 0
    history = load(project.root / ".asv/results", repository=project.root)
    assert history.quarantined == ()
    found = {name.removeprefix("test_odd.test_"): each for name, each in history.benchmarks.items()}
    axes = [found[f"parameter[{each}]"].axes["n"] for each in "abcde"]
    assert axes[:3] == [r"\ud800", "18446744073709551616", "18446744073709551617"]
    assert axes[3].startswith("0x")
    assert len(axes[3]) == 200
    assert axes[4] == "inf"
    assert {each.group for each in found.values()} == {r"\ud800", "5"}
    versions = {
        each.key.benchmark[-2]: each.key.version for each in history.series if "version" in each.key.benchmark
    }
    assert versions == {"a": r"\udcff", "b": axes[3], "c": "list"}


def test_part_of_a_suite_loses_nothing_of_the_rest(measured: Project) -> None:
    record(measured)
    record(measured, "-k", "upper")
    measured.write({"benchmarks/test_more.py": TEST})
    record(measured, "--benchmark-record=dirty", "-k", "test_more and upper")
    listed = json.loads((measured.root / ".asv/results/benchmarks.json").read_text(encoding="utf-8"))
    assert listed.pop("version") == 2
    assert sorted(listed) == [
        "benchmarks.test_more.TestText.test_upper",
        "benchmarks.test_speed.TestText.test_upper",
        "benchmarks.test_speed.test_sum[30]",
        "benchmarks.test_speed.test_sum[3]",
    ]
    assert len(files(measured)) == 3


def test_lost_list_of_benchmarks_is_made_anew_of_all_results(measured: Project) -> None:
    record(measured)
    listed = measured.root / ".asv/results/benchmarks.json"
    for content in (None, "{", "[]"):
        listed.unlink()
        if content:
            listed.write_text(content, encoding="utf-8")
        record(measured, "-k", "upper")
        assert len(json.loads(listed.read_text(encoding="utf-8"))) == 4


def test_asv_reads_it(measured: Project) -> None:
    configuration = {"version": 1, "project": "p", "repo": ".", "branches": ["main"], "results_dir": ".asv/results"}
    first = measured.commit({"asv.conf.json": json.dumps(configuration | {"html_dir": ".asv/html"}) + "// ours\n"})
    assert record(measured).status == 0
    second = measured.commit({"a": "b"})
    assert record(measured).status == 0

    def asv(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "asv", *arguments], cwd=measured.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warn" not in done.stderr.lower()
        return done.stdout

    asv("publish", "--no-pull")
    graphs = list((measured.root / ".asv/html/graphs").glob(f"**/machine-{this_machine().name}/**/*upper.json"))
    assert any(len(json.loads(path.read_text(encoding="utf-8"))) == 2 for path in graphs)
    assert "test_upper" in asv("show", "--machine", this_machine().name, first)
    assert "test_sum[30]" in asv("compare", "--machine", this_machine().name, first, second)


def test_uncommitted_changes_are_refused_or_marked(measured: Project) -> None:
    measured.write({"benchmarks/test_speed.py": TEST + "\n# changed\n", "new.py": ""})
    refused = record(measured)
    assert refused.status == WRONG_USE
    assert "benchmarks/test_speed.py and 1 more differ from commit" in refused.error
    assert "--benchmark-record=dirty" in refused.error
    assert files(measured) == []
    marked = record(measured, "--benchmark-record=dirty")
    assert marked.status == 0
    assert ", marked as dirty: " in marked.output
    document = json.loads(files(measured)[0].read_text(encoding="utf-8"))
    assert document["paceline"]["dirty"] is True
    assert document["params"]["dirty"] == "yes"


def test_results_themselves_are_no_uncommitted_changes(measured: Project) -> None:
    assert record(measured).status == 0
    measured.git("add", "--all")
    assert record(measured, "--benchmark-record-results=.asv/results").status == 0


def test_what_is_made_of_the_results_is_no_uncommitted_change(measured: Project) -> None:
    """Neither is ignored: the project's .gitignore names no .asv."""
    assert record(measured).status == 0
    built = subprocess.run(
        [sys.executable, "-m", "paceline.cli", "pages"],
        cwd=measured.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    measured.write({".paceline/accepted.toml": "# none yet\n", ".asv/aa/run-1.json": "{}"})
    assert (measured.root / ".asv/html/index.html").exists()
    run = record(measured)
    assert run.status == 0, run.output
    measured.write({".asv/other.json": "{}"})
    assert ".asv/other.json differs" in record(measured).error


def test_every_command_finds_the_same_project(measured: Project) -> None:
    """From a folder below, without an ini file."""
    below = Project(measured.root / "benchmarks", measured.temporary)
    run = record(below)
    assert run.status == 0, run.output
    (path,) = files(measured)
    assert str(path) in run.output
    assert set(json.loads(path.read_text(encoding="utf-8"))["results"]) == {
        f"benchmarks.test_speed.{test}" for test in ("TestText.test_upper", "test_sum[3]", "test_sum[30]")
    }
    for command, said in (
        (["check"], "no new slowdowns"),
        (["pages"], str(measured.root / ".asv/html/index.html")),
        (["import", "nothing"], "imported 0 of 1 files"),
        (["fetch"], "has no remote 'origin'"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "paceline.cli", *command],
            cwd=below.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert said in done.stdout + done.stderr, done
    assert not (below.root / ".asv").exists()


def test_suites_of_one_project_keep_their_tests_apart(make_project: Callable[..., Project]) -> None:
    suites = {f"{name}/pytest.ini": "[pytest]\n" for name in "ab"} | {
        f"{name}/tests/test_x.py": TEST for name in "ab"
    }
    project = make_project(files={".gitignore": "__pycache__/\n", **suites})
    for name in "ab":
        run = record(Project(project.root / name, project.temporary), "-k", "upper")
        assert run.status == 0, run.output
    assert record(project, "-k", "upper", "a").status == 0
    history = load(project.root / ".asv/results", repository=project.root)
    assert len(history.runs) == 3
    assert [each.key.benchmark for each in history.series] == [
        f"{name}.tests.test_x.TestText.test_upper" for name in "ab"
    ]
    listed = json.loads((project.root / ".asv/results/benchmarks.json").read_text(encoding="utf-8"))
    assert listed["b.tests.test_x.TestText.test_upper"]["code"] == "b/tests/test_x.py::TestText::test_upper"


def test_folder_of_results(measured: Project) -> None:
    record(measured, "--benchmark-record-results=elsewhere")
    assert len(files(measured, "elsewhere")) == 1
    measured.commit({"pyproject.toml": "[tool.paceline]\nresults = 'kept'\n"})
    record(measured)
    assert len(files(measured, "kept")) == 1


def test_no_repository(measured: Project) -> None:
    shutil.rmtree(measured.root / ".git")
    run = record(measured)
    assert run.status == WRONG_USE
    assert "is not in a git repository, and a run is recorded by its commit" in run.error


def test_no_commit(measured: Project) -> None:
    shutil.rmtree(measured.root / ".git")
    measured.git("init", "--quiet")
    assert "the repository has no commit yet" in record(measured).error


def test_detached_head_is_recorded_and_told(measured: Project) -> None:
    measured.git("checkout", "--quiet", "--detach")
    run = record(measured)
    assert run.status == 0
    assert "HEAD is detached: the run is recorded for its commit" in run.output
    assert len(files(measured)) == 1


def test_shallow_clone_is_recorded_and_told(measured: Project, tmp_path: Path) -> None:
    measured.commit({"a": "b"})
    measured.git("clone", "--quiet", "--depth=1", f"file://{measured.root}", str(tmp_path / "shallow"))
    shallow = Project(tmp_path / "shallow", measured.temporary)
    run = record(shallow)
    assert run.status == 0
    assert (
        "this clone is shallow: the run is recorded, but `paceline check` needs all commits. Run `git fetch"
        in run.output
    )
    assert len(files(shallow)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--benchmark-against=HEAD"], "--benchmark-against and --benchmark-record contradict each other"),
        (["--benchmark-record=wet"], "expected `dirty` or no value, got 'wet'"),
        (["-p", "no:benchmark"], "pytest-benchmark is not loaded"),
        (["-k", "nothing"], "no benchmark ran and passed, so nothing was recorded"),
    ],
)
def test_contradictions(measured: Project, arguments: list[str], words: str) -> None:
    run = record(measured, *arguments)
    if arguments[0] != "-p":  # then --benchmark-only is not known either
        assert run.status == WRONG_USE
        assert words in run.error
    assert files(measured) == []


@pytest.mark.parametrize("flag", ["--benchmark-disable", "--benchmark-skip"])
def test_nothing_is_timed(measured: Project, flag: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "--benchmark-record", flag, *QUICK],
        cwd=measured.root,
        env=measured.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == WRONG_USE
    assert f"{flag} and --benchmark-record contradict each other. Leave out one" in process.stderr + process.stdout


def test_active_xdist(measured: Project) -> None:
    if find_spec("xdist") is None:
        option = "def pytest_addoption(parser):\n    parser.addoption('--numprocesses', type=int)\n"
        measured.commit({"conftest.py": option})
    assert "xdist is active" in record(measured, "--numprocesses=2").error


def test_collecting_records_nothing(measured: Project) -> None:
    assert record(measured, "--collect-only").status == 0
    assert files(measured) == []


def test_failed_benchmarks_are_told_and_left_out(measured: Project) -> None:
    failing = "\ndef test_wrong(benchmark):\n    assert benchmark(sum, [1]) == 2\n\ndef test_late(late, benchmark):\n"
    failing += "    benchmark(sum, [1])\n\n@pytest.fixture\ndef late():\n    yield\n    assert False\n"
    measured.commit({"benchmarks/test_speed.py": TEST + failing})
    run = record(measured)
    assert run.status == 1
    assert "paceline: 2 failed benchmarks were not recorded" in run.output
    results = json.loads(files(measured)[0].read_text(encoding="utf-8"))["results"]
    assert len(results) == 3
    assert not any("wrong" in name or "late" in name for name in results)


def test_where_all_benchmarks_fail_the_status_is_that_of_pytest(measured: Project) -> None:
    measured.commit({"benchmarks/test_speed.py": "def test_sum(benchmark):\n    benchmark(lambda: 1 / 0)\n"})
    run = record(measured)
    assert run.status == 1
    assert "paceline: 1 failed benchmark was not recorded" in run.output
    assert "loosen -k" not in run.output
    assert files(measured) == []


def test_run_that_stops_at_a_failure_is_not_recorded(measured: Project) -> None:
    measured.commit({"benchmarks/test_a.py": "def test_wrong(benchmark):\n    assert benchmark(sum, [1]) == 2\n"})
    run = record(measured, "-x")
    assert "the run was interrupted, so it was not recorded" in run.output
    assert files(measured) == []


def test_head_that_moves_meanwhile(measured: Project) -> None:
    moving = TEST + "\ndef test_last(benchmark):\n    benchmark(sum, [1])\n    import subprocess\n"
    command = "git -c user.name=t -c user.email=t@example.org commit -q --allow-empty -m x"
    moving += f"    subprocess.run('{command}'.split(), check=True)\n"
    measured.commit({"benchmarks/test_speed.py": moving})
    run = record(measured)
    assert run.status == WRONG_USE
    assert "while the benchmarks ran" in run.error
    assert files(measured) == []


@pytest.mark.parametrize("place", ["file/results", "x" * 300])
def test_folder_that_cannot_be_written_is_told_before_anything_is_measured(measured: Project, place: str) -> None:
    (measured.root.parent / "file").write_text("", encoding="utf-8")
    run = record(measured, f"--benchmark-record-results={measured.root.parent}/{place}")
    assert run.status == WRONG_USE
    assert str(measured.root.parent) in run.error
    assert "passed" not in run.output


UNTIDY = """
import os, resource, shutil
import pytest

def test_before_1970(benchmark):
    benchmark(sum, [1])

def test_that_breaks_the_repository(benchmark):
    benchmark(sum, [1])
    shutil.rmtree(".git/refs")

def test_of_odd_objects(benchmark):
    benchmark(sum, [1])
    benchmark.extra_info = 5

def test_that_limits_files(benchmark):
    benchmark(sum, [1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

def test_that_leaves_files_open(benchmark):
    benchmark(sum, [1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with pytest.raises(OSError):
        while True:
            os.open(os.devnull, os.O_RDONLY)
"""
AN_OLD_CLOCK = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    if item.name == "test_before_1970":
        call.start = -5.0
    return (yield)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_what_tests_leave_behind_loses_no_run(make_project: Callable[..., Project]) -> None:
    project = make_project(files={"test_speed.py": UNTIDY, "conftest.py": AN_OLD_CLOCK})
    run = record_apart(project)
    assert run.status == 0, run.output
    assert "test_speed.py::test_of_odd_objects cannot be described: AttributeError" in run.output
    assert "cannot tell whether HEAD moved while the benchmarks ran" in run.output
    (path,) = files(project)
    assert len(json.loads(result_file(path.read_bytes()).header.shared.rows)) == 4


@pytest.mark.parametrize(
    ("test", "name"),
    {
        "benchmarks/test_speed.py::TestX::test_run[a-b]": "benchmarks.test_speed.TestX.test_run[a-b]",
        "test_a.py::test_b[c/d::e.py]": "test_a.test_b[c/d::e.py]",
        "a b/test_ü.py::test_b": "a b.test_ü.test_b",
    }.items(),
)
def test_names(test: str, name: str) -> None:
    assert asv_name(test) == name


def test_names_are_bounded_and_told_apart() -> None:
    one, other = (asv_name(f"test_a.py::test_b[{'x' * 400}{end}]") for end in "12")
    assert len(one) == 200
    assert one != other


ALIKE: tuple[Any, ...] = (None, True, 0, -(2**63), 2**63 - 1, 0.5, "é", [], {"a": [1]})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        *zip(ALIKE, ALIKE, strict=True),
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        ([{"\ud800": [2**64, math.nan]}], [{r"\ud800": ["18446744073709551616", "nan"]}]),
    ],
)
def test_values_that_not_all_readers_read_alike_become_texts(value: Any, written: Any) -> None:
    assert writable(value) == written
    assert result_file(json.dumps(ours(benchmarks={"a": {"axes": {"b": writable(value)}}})).encode())


@pytest.mark.parametrize("count", [1, 2, 5, 21, 22, 100, 9999])
def test_thinning_keeps_the_quantiles(count: int) -> None:
    samples = np.random.default_rng(count).lognormal(-10, 0.3, count)
    kept = thinned(samples.tolist())
    assert len(kept) == min(count, KEPT)
    for quantile in np.arange(0, 1.001, 0.05):
        assert np.quantile(kept, quantile) == pytest.approx(np.quantile(samples, quantile), rel=1e-4)
    assert quartiles(kept) == pytest.approx(quartiles(samples.tolist()), rel=1e-4)


def test_interval_is_that_of_asv() -> None:
    from asv_runner.statistics import quantile_ci

    draw = np.random.default_rng(0)
    for count in (1, 2, 7, 8, 9, 10, 50, 333, 1000):
        samples = draw.normal(10, 1, count).tolist()
        assert interval(samples) == pytest.approx(quantile_ci(samples, 0.5, 0.01)[1])
    assert math.isinf(interval([1.0] * 7)[0])
    assert math.isfinite(interval([1.0] * 8)[0])


def test_file_of_a_long_run_stays_small(measured: Project) -> None:
    record(measured, "--benchmark-max-time=0.3")
    (path,) = files(measured)
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert all(row[10][0] > KEPT == len(row[11][0]) for row in document["results"].values())
    assert path.stat().st_size < 20_000
    assert result_file(path.read_bytes()).columns.shape == (3, 3)


KEPT_SUITE = """
class Kept:
    def setup(self):
        self.text = "x"
    def peakmem_kept(self):
        self.text * 20_000
"""


def test_the_peak_of_memory_is_a_second_series_in_bytes(make_project: Callable[..., Project]) -> None:
    text = "def test_list(benchmark):\n    benchmark(lambda: 'x' * 10_000)\n"
    files = {"benchmarks/test_speed.py": text, "asv_suite/kept.py": KEPT_SUITE, "asv_suite/__init__.py": ""}
    files |= {
        "pyproject.toml": "[tool.paceline]\nasv = 'asv_suite'\n",
        "asv.conf.json": '{"results_dir": ".asv/results"}',
    }
    project = make_project(files=files | {".gitignore": "__pycache__/\n"})
    run = record(project, "--benchmark-memory")
    assert run.status == 0, run.output
    assert "2 recorded for" in run.output
    results = project.root / ".asv" / "results"
    time, *both = sorted(load(results, repository=project.root).series, key=lambda each: each.unit, reverse=True)
    memory, kept = sorted(both, key=lambda each: "kept" in each.key.benchmark)
    assert (kept.key.benchmark, kept.unit) == ("asv_suite.kept.Kept.peakmem_kept", "bytes")
    assert kept.values.tolist() == [sys.getsizeof("x" * 20_000)]
    assert (time.key.benchmark, time.unit) == ("benchmarks.test_speed.test_list", "seconds")
    assert (memory.key.benchmark, memory.unit) == ("benchmarks.test_speed.peakmem_test_list", "bytes")
    assert memory.values.tolist() == [sys.getsizeof("x" * 10_000)]
    described = json.loads((results / "benchmarks.json").read_text(encoding="utf-8"))[memory.key.benchmark]
    assert (described["unit"], described["type"]) == ("bytes", "peakmemory")
