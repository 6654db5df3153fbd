"""pytest-benchmark's own files, real ones, join the history; broken ones are named."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paceline.history.asv.store import load
from paceline.system.files import LONGEST
from projects import Project

from paceline import cli

QUICK = ("--benchmark-max-time=0.01", "-p", "no:cacheprovider")
TEST = """
import pytest

@pytest.mark.parametrize("size", [3, 30])
def test_sum(benchmark, size):
    benchmark.group = "sums"
    benchmark.extra_info["version"] = "v2"
    benchmark(sum, range(size))
"""


@pytest.fixture
def stored(make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with one file that pytest-benchmark saved with its samples, and one without."""
    project = make_project(files={"test_speed.py": TEST, ".gitignore": "__pycache__/\n.benchmarks/\n"})
    for arguments in (["--benchmark-save-data"], []):
        assert project.run_here(*QUICK, "--benchmark-autosave", *arguments).status == 0
    monkeypatch.chdir(project.root)
    return project


def saved(project: Project) -> list[Path]:
    return sorted((project.root / ".benchmarks").rglob("*.json"))


def imported(project: Project) -> list[Path]:
    return sorted((project.root / ".asv/results").glob("*/*-import-*.json"))


def test_a_folder_of_real_files(stored: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(saved(stored)) == 2
    assert cli.main(["import", ".benchmarks"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 imported, 0 already imported, 0 not imported"
    history = load(stored.root / ".asv/results", repository=stored.root)
    assert history.quarantined == ()
    assert [run.commit for run in history.runs] == [stored.git("rev-parse", "HEAD").strip()] * 2
    assert history.runs[0].facts["kernel"]
    assert history.runs[0].date == 1000 * int(stored.git("log", "-1", "--format=%at"))
    assert {series.key.version for series in history.series} == {"v2"}
    assert history.benchmarks["test_speed.test_sum[30]"].axes == {"size": 30}
    assert history.benchmarks["test_speed.test_sum[30]"].group == "sums"
    document = json.loads(saved(stored)[0].read_text(encoding="utf-8"))
    medians = {each["name"]: each["stats"]["median"] for each in document["benchmarks"]}
    written = [json.loads(path.read_text(encoding="utf-8")) for path in imported(stored)]
    assert medians["test_sum[3]"] in [each["results"]["test_speed.test_sum[3]"][0][0] for each in written]
    assert sorted(each["results"]["test_speed.test_sum[3]"][-1] is None for each in written) == [False, True]


def test_importing_again_adds_nothing(stored: Project, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["import", ".benchmarks"])
    before = {path: path.read_bytes() for path in imported(stored)}
    copy = stored.root / "copy.json"
    copy.write_bytes(saved(stored)[0].read_bytes())
    assert cli.main(["import", ".benchmarks", str(copy)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 imported, 3 already imported, 0 not imported"
    assert {path: path.read_bytes() for path in imported(stored)} == before


def test_hardware_class_can_be_given(stored: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", ".benchmarks", "--machine", "linux-lab", "--results", "kept"]) == 0
    assert [path.parent.name for path in stored.root.glob("kept/*/*-import-*.json")] == ["linux-lab"] * 2
    assert cli.main(["import", ".benchmarks", "--machine", "../outside"]) == 4
    assert "got '../outside'. See `paceline machine`." in capsys.readouterr().err


def changed(document: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """Return a copy with one value changed."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    place: Any = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return copy


BROKEN: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "no commit": (("commit_info", "id"), "unversioned", "'id': expected 40 hexadecimal digits, got 'unversioned'"),
    "no commit info": (("commit_info",), None, "'commit_info': expected an object, got None"),
    "no machine info": (("machine_info",), [], "'machine_info': expected an object, got []"),
    "no benchmarks": (("benchmarks",), [], "benchmarks: expected a list with entries, got []"),
    "a benchmark that is none": (("benchmarks", 0), 1, "expected an object, got 1"),
    "no name": (("benchmarks", 0, "fullname"), None, "'fullname': expected a string, got None"),
    "a sample of text": (
        ("benchmarks", 0, "stats", "data"),
        ["1"],
        "'data': expected a positive time, got '1'",
    ),
    "no median": (("benchmarks", 0, "stats", "median"), math.nan, "'median': expected a positive time, got nan"),
    "a negative time": (("benchmarks", 0, "stats", "q1"), -1.0, "'q1': expected a positive time, got -1.0"),
    "an infinite time": (("benchmarks", 0, "stats", "q3"), math.inf, "'q3': expected a positive time, got inf"),
    "a time beyond floats": (
        ("benchmarks", 0, "stats", "median"),
        10**400,
        "'median': expected a positive time, got 1000000000",
    ),
    "a sample beyond floats": (
        ("benchmarks", 0, "stats", "data"),
        [10**400],
        "'data': expected a positive time, got 1000000000",
    ),
    "no rounds": (("benchmarks", 0, "stats", "rounds"), 0, "'rounds': expected a positive count, got 0"),
    "a list of parameters": (("benchmarks", 0, "params"), [1], "params: expected an object, got [1]"),
    "no version": (("version",), 5, "'version': expected a string, got 5"),
}


@pytest.mark.parametrize(("path", "value", "reason"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_named_and_the_rest_imported(
    document: dict[str, Any],
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    path: tuple[Any, ...],
    value: Any,
    reason: str,
) -> None:
    monkeypatch.chdir(project.root)
    (project.root / "bad.json").write_text(json.dumps(changed(document, *path, to=value)), encoding="utf-8")
    assert cli.main(["import", "bad.json"]) == 4
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("not imported: bad.json: ")
    assert reason in said[0]
    assert said[1] == "ERROR: imported 0 of 1 files. Fix the errors above, and import again."
    (project.root / "good.json").write_text(json.dumps(document), encoding="utf-8")
    assert cli.main(["import", "bad.json", "good.json", "absent.json"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 imported, 0 already imported, 2 not imported"


@pytest.fixture
def document() -> dict[str, Any]:
    """What pytest-benchmark 3.4 wrote on a hosted runner, shortened: no author's time, no flags."""
    stats = {"min": 1.0, "max": 3.0, "median": 2.0, "q1": 1.5, "q3": 2.5, "rounds": 3, "data": [1.0, 2.0, 3.0]}
    benchmark = {"group": None, "name": "test_a", "fullname": "t.py::test_a", "params": None, "stats": stats}
    machine = {"machine": "x86_64", "system": "Linux", "python_version": "3.8.1", "release": "5.4.0-azure"}
    cpu = {"brand_raw": "AMD EPYC 7763 64-Core Processor", "count": 4, "family": 25, "model": 1, "stepping": 1}
    return {
        "machine_info": machine | {"cpu": cpu | {"vendor_id_raw": "AuthenticAMD", "flags": ["avx2", "hypervisor"]}},
        "commit_info": {"id": "a" * 40, "time": "2021-10-12T13:14:15+02:00", "dirty": True},
        "benchmarks": [benchmark],
        "datetime": "2021-10-12T11:20:00.123456",
        "version": "3.4.1",
    }


def test_what_readers_cannot_hold_becomes_text(
    project: Project, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> None:
    monkeypatch.chdir(project.root)
    document["benchmarks"][0] |= {"group": "\ud800", "params": {"n": 2**64 + 1, "deeper": [{"m": -(2**63) - 1}]}}
    document["machine_info"] |= {"release": "\udcff"}
    (project.root / "odd.json").write_text(json.dumps(document), encoding="utf-8")
    assert cli.main(["import", "odd.json"]) == 0
    history = load(project.root / ".asv/results", repository=None)
    assert history.quarantined == ()
    assert history.runs[0].facts["kernel"] == r"\udcff"
    assert history.benchmarks["t.test_a"].group == r"\ud800"
    assert history.benchmarks["t.test_a"].axes == {
        "n": "18446744073709551617",
        "deeper": [{"m": "-9223372036854775809"}],
    }


def test_tests_are_named_as_if_recorded(
    project: Project, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> None:
    """By their paths below the project's root, of files that lie where pytest was run, and of others."""
    project.write({f"{name}/t.py": "" for name in "ab"} | {"a/.benchmarks/1.json": json.dumps(document)})
    brought = project.root.parent / "brought.json"
    document["version"] = "4"
    brought.write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.chdir(project.root / "b")
    assert cli.main(["import", "../a", str(brought)]) == 0
    assert set(load(project.root / ".asv/results", repository=None).benchmarks) == {"a.t.test_a", "b.t.test_a"}


def test_old_file(project: Project, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]) -> None:
    monkeypatch.chdir(project.root)
    (project.root / "old.json").write_text(json.dumps(document), encoding="utf-8")
    assert cli.main(["import", "old.json"]) == 0
    history = load(project.root / ".asv/results", repository=None)
    (run,) = history.runs
    assert (run.machine, run.dirty) == ("linux-x86_64-epyc-7763-zen3-4c-avx2-vm", True)
    assert run.packages == {"python": "3.8.1"}
    assert run.date == 1_634_037_255_000


def test_date_of_the_commit_is_looked_up(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], document: dict[str, Any]
) -> None:
    monkeypatch.chdir(project.root)
    for commit in (project.git("rev-parse", "HEAD").strip(), "b" * 40):
        undated = changed(document, "commit_info", to={"id": commit})
        (project.root / f"{commit}.json").write_text(json.dumps(undated), encoding="utf-8")
    assert cli.main(["import", "."]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "1 imported, 0 already imported, 1 not imported"
    assert "no date for commit bbbbbbbbbbbb: neither commit_info nor the repository has one" in said.err


def test_only_regular_files_of_some_size_are_read(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reading the first two would never end."""
    monkeypatch.chdir(project.root)
    Path("zero.json").symlink_to("/dev/zero")
    os.mkfifo("pipe.json")
    with Path("huge.json").open("wb") as file:
        file.truncate(LONGEST + 1)
    assert cli.main(["import", "."]) == 4
    said = capsys.readouterr().err.splitlines()
    assert said[:3] == [
        "not imported: huge.json: is larger than 64 MiB",
        "not imported: pipe.json: is not a regular file",
        "not imported: zero.json: is not a regular file",
    ]


def test_empty_folder(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(project.root)
    assert cli.main(["import", "."]) == 4
    assert "no JSON files in this folder" in capsys.readouterr().err
