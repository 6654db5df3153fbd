"""asv suites, unchanged: found and run as asv does, under pytest-benchmark and in a gate."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from paceline.gate.worker.suites.asv_suite import parameter_ids
from projects import WORK, Project, Run

SUITE = """
import os
import work
from asv_runner.benchmarks.mark import SkipNotImplemented

def log(letter, name="CALLS"):
    if name in os.environ:
        with open(os.environ[name], "a") as file:
            file.write(letter)

def time_plain():
    work.total(300)

class Steps:
    params = ([100, 300], ["a", "b"])
    param_names = ["count", "kind"]
    repeat = 3
    def setup(self, count, kind):
        if (count, kind) == (300, "b"):
            raise NotImplementedError("no b of 300")
        self.count = count
        log("s")
    def time_steps(self, count, kind):
        work.total(self.count)
        del self.count  # a second call without a setup would fail
        log("c")
    time_steps.skip_params = [(100, "b")]
    def teardown(self, count, kind):
        log("t")
    def track_twice(self, count, kind):
        return 2 * count
    track_twice.unit = "things"

class Cached:
    def setup_cache(self):
        log("C", "CACHES")
        with open("data.txt", "w") as file:
            file.write("300")
        return {"count": 300}
    def time_cached(self, cache):
        with open("data.txt") as file:
            assert int(file.read()) == cache["count"]
        work.total(300)
    def peakmem_cached(self, cache):
        work.total(cache["count"])

def timeraw_total():
    return "work.total(3000)", "import work"

def mem_list():
    return [0] * 1000

def time_not_today():
    raise SkipNotImplemented("not today")

class Functions:
    params = [len, work.total, lambda: 0]
    number = 5
    def time_function(self, function):
        function.__name__
"""
CONFIGURATION = '{"version": 1, "repo": ".", "matrix": {"numpy": []}, // unused here\n "pythons": ["3.11"]}'
FILES = {
    "work.py": WORK,
    "asv.conf.json": CONFIGURATION,
    "benchmarks/__init__.py": "",
    "benchmarks/bench_work.py": SUITE,
}
FAST = ("--benchmark-max-time=0.01", "-q")
MakeProject = Callable[..., Project]


@pytest.fixture
def suite(make_project: MakeProject) -> Project:
    """Return a project with one benchmark of each kind."""
    return make_project(files=FILES)


def one(text: str) -> dict[str, str]:
    """Files of a project whose suite is this text."""
    return FILES | {"benchmarks/bench_work.py": text}


def collected(run: Run) -> list[str]:
    """Node ids that pytest lists."""
    return [line for line in run.output.splitlines() if "::" in line]


# Under pytest-benchmark


def test_finds_what_asv_finds(suite: Project) -> None:
    """By asv's own `check` of names and counts of parameters, also in packages below and for imported classes."""
    suite.write(
        {
            "benchmarks/deep/__init__.py": "def time_package(): pass\n",
            "benchmarks/deep/inner.py": "from ..bench_work import Steps\nclass A:\n    def time_a(self): pass\n",
            "benchmarks/loose/not_a_package.py": "def time_unseen(): pass\n",
        }
    )
    found = collected(suite.run_here("--benchmark-asv", "--collect-only", "-q"))
    ask = (
        "import io, json, math, sys; from asv_runner.discovery import list_benchmarks; out = io.StringIO();"
        "list_benchmarks(sys.argv[1], out);"
        "print(json.dumps({b['name']: math.prod(map(len, b['params'])) for b in json.loads(out.getvalue())}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", ask, str(suite.root / "benchmarks")],
        env=suite.environment() | {"PYTHONPATH": str(suite.root)},
        capture_output=True,
        text=True,
        check=True,
    )
    counts: dict[str, int] = {}
    for nodeid in found:
        path, _, name = nodeid.partition("[")[0].partition("::")
        module = path.removeprefix("benchmarks/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        full = f"{module}.{name.replace('::', '.')}"
        counts[full] = counts.get(full, 0) + 1
    assert counts == json.loads(said.stdout)
    assert "deep.inner.Steps.time_steps" in counts


def test_runs_under_pytest_benchmark(suite: Project) -> None:
    run = suite.run_here("--benchmark-asv", *FAST, "--junitxml=junit.xml", "--benchmark-json=times.json", "-rs")
    assert run.status == 0, run.output
    document = json.loads((suite.root / "times.json").read_text(encoding="utf-8"))
    times = {each["name"]: each for each in document["benchmarks"]}
    assert set(times) == {
        "time_plain",
        "timeraw_total",
        "time_steps[100-a]",
        "time_steps[300-a]",
        "time_cached",
        *(f"time_function[{name}]" for name in ("len", "total", "<lambda>")),
    }
    assert times["time_steps[100-a]"]["params"] == {"count": 100, "kind": "a"}
    assert times["time_function[len]"]["stats"]["iterations"] == 5
    assert times["timeraw_total"]["stats"]["median"] < 0.01, "the start of an interpreter is not part of it"
    for reason in ("left out by skip_params", "no b of 300", "not today"):
        assert reason in run.output
    assert "bench_work.py::Steps::track_twice[300-a]  600 things" in run.output
    assert re.search(r"bench_work.py::Cached::peakmem_cached  [0-9.]+ [MG]iB", run.output)
    assert re.search(r"bench_work.py::mem_list  7\.\d+ KiB", run.output)
    cases = ET.parse(suite.root / "junit.xml").getroot().iter("testcase")
    found = {(case.get("classname"), case.get("name")): case for case in cases}
    assert (
        found["benchmarks.bench_work.Steps", "track_twice[100-b]"].find("properties/property[@value='200.0']")
        is not None
    )
    assert list(suite.root.rglob("data.txt")) == [], "benchmarks work in folders of their own"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--benchmark-asv", "-k", "plain or twice and 100-a"], {"time_plain", "track_twice[100-a]"}),
        (["--benchmark-asv=benchmarks", "benchmarks/bench_work.py::Steps::time_steps[300-a]"], {"time_steps[300-a]"}),
        (
            ["benchmarks/bench_work.py::Functions", "--benchmark-asv"],
            {f"time_function[{name}]" for name in ("len", "total", "<lambda>")},
        ),
        (["test_other.py", "--benchmark-asv"], {"test_other"}),
        (["--benchmark-asv=benchmarks"], None),
        ([], {"test_other"}),
    ],
)
def test_chosen_as_pytest_chooses(suite: Project, arguments: list[str], names: set[str] | None) -> None:
    suite.write({"test_other.py": "def test_other(benchmark):\n    benchmark(len, 'a')\n"})
    run = suite.run_here(*arguments, "--collect-only", "-q")
    found = {nodeid.split("::")[-1] for nodeid in collected(run)}
    assert found == names if names else len(found) == 17, run.output


def test_named_in_the_settings_it_comes_with_the_tests(suite: Project) -> None:
    other = "def test_other(benchmark):\n    benchmark(len, 'a')\n"
    suite.write({"tests/test_other.py": other, "pyproject.toml": "[tool.paceline]\nasv = 'benchmarks'\n"})
    suite.write({"pytest.ini": "[pytest]\ntestpaths = tests\n"})
    found = [nodeid.split("::")[-1] for nodeid in collected(suite.run_here("--collect-only", "-q"))]
    assert {"test_other", "time_plain"} <= set(found)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=suite.root,
        env=suite.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, "a run of the tests alone collects no asv suite"


@pytest.mark.parametrize("way", ["asv", "pytest"])
def test_sets_up_before_each_call_as_asv_does(suite: Project, way: str) -> None:
    log = suite.root.parent / "log"
    environment = suite.environment() | {"CALLS": str(log), "PYTHONPATH": str(suite.root)}
    ask = (
        "import sys; from asv_runner.run import _run;"
        "_run([sys.argv[1], 'bench_work.Steps.time_steps-0', '{\"repeat\": 3}', 'None', sys.argv[2]])"
    )
    asv = ["-c", ask, str(suite.root / "benchmarks"), str(suite.root.parent / "result")]
    ours = ["-m", "pytest", "--benchmark-asv", "--benchmark-only", *FAST, "-k", "time_steps and 100-a"]
    subprocess.run(
        [sys.executable, *(asv if way == "asv" else ours)],
        cwd=suite.root,
        env=environment,
        check=True,
        capture_output=True,
    )
    assert re.fullmatch("(sct){3,}", log.read_text(encoding="utf-8"))


def test_setup_cache_runs_once_and_nothing_stays(suite: Project) -> None:
    log = suite.root.parent / "log"
    run = suite.run("--benchmark-asv", "-k", "cached", *FAST, environment={"CACHES": str(log)})
    assert "2 passed" in run.output
    assert log.read_text(encoding="utf-8") == "C"
    assert suite.leftovers == []


def test_recorded_in_the_history(suite: Project) -> None:
    run = suite.run_here("--benchmark-asv", *FAST, "-k", "steps", "--benchmark-record")
    assert "2 recorded for" in run.output, run.output
    (path,) = (suite.root / "results").glob("*/*-*.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["results"].keys() == {f"benchmarks.bench_work.Steps.time_steps[{n}-a]" for n in (100, 300)}
    axes = document["paceline"]["benchmarks"]["benchmarks.bench_work.Steps.time_steps[100-a]"]["axes"]
    assert axes == {"count": 100, "kind": "a"}


def test_mem_without_pympler_is_skipped_by_name(suite: Project) -> None:
    suite.write({"conftest.py": "import sys\nsys.modules['pympler'] = None\n"})
    run = suite.run("--benchmark-asv", *FAST, "-k", "mem_list", "-rs")
    assert "1 skipped" in run.output
    assert "mem_ benchmarks need pympler" in run.output


# What differs from process to process, and what cannot be used


def test_parameters_are_named_by_value() -> None:
    class Thing:
        """Has the usual repr."""

    def function() -> None:
        """Has an address in its repr."""

    assert parameter_ids([1, "a", 2.5, None, (1, 2)]) == ["1", "a", "2.5", "None", "(1, 2)"]
    assert parameter_ids([function, len, int, Thing]) == ["function", "len", "int", "Thing"]
    assert " at 0x" not in parameter_ids([Thing()])[0]
    assert parameter_ids([[function]])[0] == parameter_ids([[function]])[0]
    assert parameter_ids([1, "1"]) == ["1", "'1'"], "told apart by value, not by place"
    assert parameter_ids(["1", 1]) == ["'1'", "1"]
    assert parameter_ids([3, 3]) == ["3", "3_1"]
    assert parameter_ids([{"b", "a"}]) == ["{'a', 'b'}"], "whatever the hash seed"
    assert parameter_ids(["", "a\nb", "\u00e9"])[0] == "''"
    assert "\n" not in parameter_ids(["a\nb"])[0]
    long, other = parameter_ids(["x" * 100, "x" * 101])
    assert len(long) < 60
    assert long != other


@pytest.mark.parametrize(
    ("files", "arguments", "why"),
    [
        ({"asv.conf.json": "{"}, ["--benchmark-asv"], "cannot read"),
        ({"asv.conf.json": '{"benchmark_dir": "none"}'}, ["--benchmark-asv"], "no folder"),
        ({}, ["--benchmark-asv=none"], "--benchmark-asv: no folder"),
        ({"pyproject.toml": "[tool.paceline]\nasv = 3\n"}, [], "asv: expected a string, got 3"),
        ({"conftest.py": "import sys\nsys.modules['asv_runner'] = None\n"}, ["--benchmark-asv"], "'paceline[asv]'"),
        (
            {"conftest.py": "import sys, types\nsys.modules['benchmarks'] = types.ModuleType('benchmarks')\n"},
            ["--benchmark-asv"],
            "'benchmarks' was imported from another folder",
        ),
    ],
)
def test_wrong_use_is_one_line(suite: Project, files: dict[str, str], arguments: list[str], why: str) -> None:
    suite.write(files)
    run = (suite.run if "conftest.py" in files else suite.run_here)(*arguments)
    assert run.status == 4, run.output
    assert why in run.error


def test_no_configuration_is_one_line(project: Project) -> None:
    run = project.run_here("--benchmark-asv")
    assert run.status == 4
    assert "no asv.conf.json in" in run.error


CANNOT_RUN = {
    "class A:\n    def setup_cache(self): raise ValueError('no data')\n    def time_a(self, c): pass\n": "no data",
    "class A:\n    def setup_cache(self): return lambda: 0\n    def time_a(self, c): pass\n": "cannot be pickled",
    "import time\ndef time_a(): time.sleep(9)\ntime_a.timeout = 0.2\n": "longer than its timeout of 0.2 s",
    "def time_a(): raise NotImplementedError('a bug')\n": "NotImplementedError: a bug",
    "def timeraw_a(): return 'raise ValueError(5)'\n": "ValueError: 5",
    "def track_a(): return 'x'\n": "expected a number, got 'x'",
}


def test_what_cannot_run_says_why(suite: Project) -> None:
    suite.write({f"benchmarks/bench_{number}.py": text for number, text in enumerate(CANNOT_RUN)})
    suite.write({"benchmarks/bench_work.py": "def setup(): raise NotImplementedError\ndef time_a(): pass\n"})
    run = suite.run("--benchmark-asv", *FAST, "-rsf", environment={"COLUMNS": "300"})
    assert run.status == 1, run.output
    assert "setup raised NotImplementedError" in run.output
    told = [line for line in run.output.splitlines() if line.startswith("FAILED ")]
    assert len(told) == len(CANNOT_RUN)
    for line, why in zip(sorted(told), CANNOT_RUN.values(), strict=True):
        assert why in line


def test_a_file_that_cannot_be_imported_leaves_the_others(suite: Project) -> None:
    suite.write({"benchmarks/bench_broken.py": "import no_such_module\n"})
    run = suite.run_here("--benchmark-asv", *FAST, "-k", "plain", "--continue-on-collection-errors")
    assert "1 passed" in run.output
    assert "No module named 'no_such_module'" in run.output
    assert run.status == 1


# In a gate


def test_gate_shows_values_of_both_sides_and_notes(make_project: MakeProject) -> None:
    values = "import work\nclass A:\n    rounds = 4\n    unit = 'MB'\n    def track_size(self): return work.SIZE\n"
    project = make_project(files=one(values) | {"work.py": "SIZE = 1\n"})
    project.write({"work.py": "SIZE = 2.5\n"})
    run = project.judge("--benchmark-asv", "--junitxml=junit.xml")
    assert run.status == 0, run.output
    assert run.document["values"] == [
        {"name": "benchmarks/bench_work.py::A::track_size", "unit": "MB", "base": 1, "head": 2.5, "reason": None}
    ]
    assert re.search(r"track_size +1 MB +2\.5 MB", run.output)
    assert "note: asv's rounds: not applied" in run.output
    assert "note: asv.conf.json: matrix, pythons: not applied in a gate" in run.output
    case = ET.parse(project.root / "junit.xml").getroot().find(".//testcase")
    assert case is not None
    assert case.find("properties/property[@name='head'][@value='2.5']") is not None
    assert project.leftovers == []


@pytest.mark.slow
def test_gate_finds_a_slowdown_in_each_kind(suite: Project) -> None:
    log = suite.root.parent / "log"
    suite.write({"work.py": WORK.replace("range(count)", "range(3 * count)")})
    run = suite.judge("--benchmark-asv", "-k", "not function", environment={"CACHES": str(log)})
    assert run.status == 1, run.output
    assert run.verdicts == {
        "time_plain": "slower",
        "timeraw_total": "slower",
        "time_steps[100-a]": "slower",
        "time_steps[300-a]": "slower",
        "time_cached": "slower",
        "time_steps[100-b]": "unavailable",
        "time_steps[300-b]": "unavailable",
        "time_not_today": "unavailable",
    }
    assert run.findings["time_steps[100-b]"]["reason"] == "both sides skipped: left out by skip_params"
    assert run.findings["timeraw_total"]["clock"] == "wall"
    assert log.read_text(encoding="utf-8").count("C") == 2, "setup_cache: once for each side"
    assert suite.leftovers == []


@pytest.mark.slow
def test_gate_of_identical_code_is_not_red(suite: Project) -> None:
    run = suite.judge("--benchmark-asv", "-k", "plain or steps or function")
    assert run.status == 0, run.output
    assert set(run.verdicts.values()) <= {"same", "unsure", "unavailable"}


@pytest.mark.slow
def test_gate_matches_parameters_by_value_and_runs_heads_benchmarks(make_project: MakeProject) -> None:
    text = "import work\nfrom .common import COUNTS\ndef time_a(count): work.total(count)\ntime_a.params = COUNTS\n"
    project = make_project(files=one(text) | {"benchmarks/common.py": "COUNTS = [100, 3000]\n"})
    project.write({"benchmarks/common.py": "COUNTS = [3000, 200]\n"})
    run = project.judge("--benchmark-asv")
    assert run.verdicts == {"time_a[3000]": "same", "time_a[200]": "new", "time_a[100]": "removed"}, run.output
    assert run.status == 0


@pytest.mark.slow
def test_first_suite_of_a_project_is_new(make_project: MakeProject) -> None:
    project = make_project(files={"work.py": WORK})
    project.write(FILES)
    run = project.judge("--benchmark-asv", "-k", "plain")
    assert (run.status, run.verdicts) == (0, {"time_plain": "new"}), run.output


@pytest.mark.slow
def test_gate_by_settings_judges_tests_and_suite(suite: Project) -> None:
    other = "def test_other(benchmark):\n    benchmark(len, 'a')\n"
    suite.commit({"test_other.py": other, "pyproject.toml": "[tool.paceline]\nasv = 'benchmarks'\n"})
    run = suite.judge("-k", "plain or other")
    assert run.verdicts == {"time_plain": "same", "test_other": "same"}, run.output


@pytest.mark.slow
def test_gate_says_why_a_benchmark_cannot_be_timed(make_project: MakeProject) -> None:
    text = (
        "import time, work\ndef time_ok(): work.total(300)\n"
        "def time_slow(): time.sleep(9)\ntime_slow.timeout = 0.2\n"
        "class A:\n    def setup_cache(self): raise ValueError('no data')\n    def time_a(self, cache): pass\n"
    )
    run = make_project(files=one(text)).judge("--benchmark-asv")
    assert run.verdicts == {"time_ok": "same", "time_slow": "unavailable", "time_a": "unavailable"}, run.output
    assert "longer than its timeout of 0.2 s" in run.findings["time_slow"]["reason"]
    assert "no data" in run.findings["time_a"]["reason"]


@pytest.mark.slow
def test_timeraw_measures_the_sides_own_code_though_a_copy_is_installed(
    make_project: MakeProject, tmp_path: Path
) -> None:
    """The child works in another folder; the copy on the path is as fast as base."""
    project = make_project(files=one("def timeraw_total():\n    return 'work.total(3000)', 'import work'\n"))
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "work.py").write_text(WORK, encoding="utf-8")
    project.write({"work.py": WORK.replace("range(count)", "range(3 * count)")})
    run = project.judge("--benchmark-asv", environment={"PYTHONPATH": str(installed)})
    assert run.status in {1, 4}, run.output
    if run.status == 4:
        assert "did not run its own code" in run.error


@pytest.mark.slow
def test_sides_are_built_as_asv_conf_json_says(make_project: MakeProject) -> None:
    """The package lacks a module that only the build command makes."""
    build = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
    build += "[project]\nname = 'workpiece'\nversion = '1.0'\n"
    wheel = "PIP_NO_BUILD_ISOLATION=false python -mpip wheel --no-deps --no-index -w {build_cache_dir} {build_dir}"
    settings = {
        "version": 1,
        "build_command": ["python generate.py", wheel],
        "install_command": ["in-dir={env_dir} python -mpip install {wheel_file}"],
    }
    files = one("from workpiece.work import total\ndef time_total(): total(300)\n") | {
        "asv.conf.json": json.dumps(settings),
        "generate.py": "open('src/workpiece/made.py', 'w').write('COUNT = 1')\n",
        "pyproject.toml": build,
        "src/workpiece/__init__.py": "from workpiece import made\n",
        "src/workpiece/work.py": WORK,
        ".gitignore": "made.py\nbuild/\n*.egg-info/\n",
    }
    project = make_project(files=files)
    project.write({"src/workpiece/work.py": WORK.replace("range(count)", "range(3 * count)")})
    run = project.judge("--benchmark-asv")
    assert run.verdicts == {"time_total": "slower"}, run.output
    project.write({"generate.py": "raise SystemExit('no generator')\n"})
    assert "head: asv.conf.json: `" in project.judge("--benchmark-asv").error
