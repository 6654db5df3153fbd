"""`paceline check --projects`, on folders with several histories."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import dask_cluster
from paceline.cli import main
from paceline.history.search import histories_below
from paceline.report import projects_report
from paceline.report.projects_report import ProjectCheck
from paceline.system import pool
from paceline.system.pool import CLUSTER
from trees import commit, ours, row, write

DOCS = Path(__file__).parents[3] / "docs"
LATER = 99
ACCEPTED = """
[[accepted]]
id = "1"
kind = "slower"
benchmark = "test_speed.test_it"
parameters = []
engine = "pytest-benchmark 5.3.1"
environment = ""
machines = ["lab"]
commit = "{commit}"
ratio = 1.25
reason = "reviewed"
date = 2026-11-22
"""


def record(results: Path, at: int) -> None:
    """Record a benchmark that takes a quarter longer from a commit on."""
    rng = np.random.default_rng(1)
    values = [(1.25 if number >= at else 1.0) * float(np.exp(rng.normal(0, 0.01))) for number in range(40)]
    write(results, {f"{n}-run.json": ours(n, {"test_speed.test_it": row(each)}) for n, each in enumerate(values)})


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with four projects: slower, accepted, steady, and one with broken settings."""
    root = tmp_path_factory.mktemp("fleet")
    record(root / "slower" / ".asv" / "results", 30)
    record(root / "accepted" / "kept" / "results", 30)
    record(root / "steady" / "results", LATER)
    record(root / "broken" / "results", 30)
    (root / "accepted" / "asv.conf.json").write_text("{}", encoding="utf-8")
    (root / "accepted" / ".paceline").mkdir()
    (root / "accepted" / ".paceline" / "accepted.toml").write_text(
        ACCEPTED.format(commit=commit(30)), encoding="utf-8"
    )
    (root / "broken" / "pyproject.toml").write_text("[tool.paceline]\nno = 1\n", encoding="utf-8")
    return root


Checked = tuple[subprocess.CompletedProcess[str], dict[str, Any]]


@pytest.fixture(scope="module")
def checked(fleet: Path) -> Checked:
    """Check all projects; return what was printed, and the JSON document."""
    environment = {name: value for name, value in os.environ.items() if name not in {"GITHUB_ACTIONS", CLUSTER}}
    command = [sys.executable, "-m", "paceline.cli", "check", "--projects", fleet.name, "--json", "found.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=fleet.parent)
    return done, json.loads((fleet.parent / "found.json").read_text(encoding="utf-8"))


def test_every_history_has_its_own_settings_and_none_stops_another(fleet: Path, checked: Checked) -> None:
    done, document = checked
    assert done.returncode == 4
    assert re.fullmatch(rf"ERROR: {fleet.name}/broken/results: .*pyproject.toml: .* no setting 'no'.*\n", done.stderr)
    block, change, nothing, counts = done.stdout.splitlines()
    assert block == f"{fleet.name}/slower/.asv/results: 1 new slowdown, no improvements"
    assert re.fullmatch(rf"  {commit(30)[:8]} of 2023-11-16: 1 slower, median \+2\d\.\d %", change)
    assert nothing == ""
    assert counts == "4 projects: 1 with new slowdowns, 2 without findings, 1 not checked"
    names = ["accepted/kept/results", "broken/results", "slower/.asv/results", "steady/results"]
    assert [each["results"] for each in document["projects"]] == [f"{fleet.name}/{name}" for name in names]
    assert [each["status"] for each in document["projects"]] == [0, 4, 1, 0]
    assert [each["error"] is None for each in document["projects"]] == [True, False, True, True]
    reports = [each["report"] for each in document["projects"]]
    assert reports[1] is None
    assert [each["state"] for each in reports[0]["findings"] + reports[2]["findings"]] == ["accepted", "new"]


def test_a_lost_process_is_one_line(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pool, "run", lambda *_: [BrokenProcessPool("It was terminated.")])
    assert main(["check", "--projects", str(fleet / "steady")]) == 4
    printed = capsys.readouterr()
    expected = (
        f"ERROR: {fleet}/steady/results: its process failed: It was terminated. Check it alone with --results.\n"
    )
    assert printed.err == expected
    assert printed.out.splitlines()[0] == "1 project: 1 not checked"


ON_CLUSTER = """
import os, sys
from paceline.cli import main
from distributed import Client

with Client(os.environ["DASK_SCHEDULER_ADDRESS"]) as client:
    client.wait_for_workers(2)
    status = main(["check", "--projects", sys.argv[1], "--json", "-"])
    counts = client.run(lambda dask_worker: dask_worker.state.executed_count)
    print(status, *sorted(counts.values()), file=sys.stderr)
"""


def test_a_scheduler_and_two_workers_find_the_same(fleet: Path, checked: Checked, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    command = [sys.executable, "-c", ON_CLUSTER, fleet.name]
    with dask_cluster(tmp_path) as address:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {CLUSTER: address},
            cwd=fleet.parent,
        )
    *_, last = done.stderr.splitlines()
    status, *counts = map(int, last.split())
    assert (status, sum(counts)) == (4, 4)
    assert min(counts) >= 1
    assert json.loads(done.stdout) == checked[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "--projects nowhere: no such folder"),
        (["nothing"], "--projects nothing: no history below this folder"),
        ([".", "--machine=lab"], "--projects takes no --machine"),
        ([".", "--accept=all"], "--projects takes no --accept"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "nothing").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--projects", *arguments]) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"ERROR: {said}")
    assert error.count("\n") == 1


def test_no_cluster_at_the_address_is_one_line(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setenv(CLUSTER, "nonsense://")
    assert main(["check", "--projects", str(fleet)]) == 4
    assert capsys.readouterr().err.startswith("ERROR: DASK_SCHEDULER_ADDRESS: no scheduler at 'nonsense://': ")


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_jobs_are_at_least_one(jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "--projects", ".", f"--jobs={jobs}"])
    assert ended.value.code == 4
    assert f"--jobs: expected a number from 1, got '{jobs}'" in capsys.readouterr().err


def test_what_is_a_history(tmp_path: Path) -> None:
    machine = ("lab", "machine.json")
    for place in (
        "b/.asv/results",
        "b/.asv/aa",  # gates of identical code
        "b/.asv/results/lab/results",  # below a history
        "a",
        "aa/results",
        ".git/results",
        "node_modules/results",
        ".paceline/mirrors/there/results",
        "c/.venv/lib/results",
    ):
        tmp_path.joinpath(place, *machine).parent.mkdir(parents=True)
        tmp_path.joinpath(place, *machine).touch()
    (tmp_path / "c" / ".venv" / "pyvenv.cfg").touch()
    (tmp_path / "d").symlink_to(tmp_path / "b")
    (tmp_path / "e" / "lab").mkdir(parents=True)  # without machine.json
    assert [str(each.relative_to(tmp_path)) for each in histories_below(tmp_path)] == [
        "a",
        "aa/results",
        "b/.asv/results",
    ]
    assert histories_below(tmp_path / "b" / ".asv" / "results") == [tmp_path / "b" / ".asv" / "results"]


def test_the_docs_show_what_is_a_history(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "many-projects.md").read_text(encoding="utf-8")
    for place in re.findall(r"^(fleet/\S+)  +\S", page, re.MULTILINE):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    expected = re.findall(r"its history is (\S+)", page)
    assert len(expected) == 2
    assert [each.relative_to(tmp_path).as_posix() for each in histories_below(tmp_path / "fleet")] == expected


def test_the_docs_list_the_fields() -> None:
    _, section = (DOCS / "reference" / "json.md").read_text("utf-8").split("check --projects`\n", 1)
    written = projects_report.document([ProjectCheck("a", 0)])["projects"]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(written[0])


def found(places: int, quarantined: int = 0) -> Mapping[str, Any]:
    return {"places": [{}] * places, "quarantined": [{}] * quarantined}


def test_counts_and_annotations() -> None:
    projects = [
        ProjectCheck("a", 1, ("a: 1 new slowdown", "  b"), found(1)),
        ProjectCheck("c", 0, ("c: 1 improvement",), found(1)),
        ProjectCheck("d", 0, ("d: 1 quarantined file",), found(0, 1)),
        ProjectCheck("e", 0, (), found(0)),
        *[ProjectCheck("f", 4, error="no, it is %")] * 12,
    ]
    *blocks, counts = projects_report.lines(projects)
    assert blocks == ["a: 1 new slowdown", "  b", "", "c: 1 improvement", "", "d: 1 quarantined file", ""]
    assert counts == "16 projects: 1 with new slowdowns, 2 with other findings, 1 without findings, 12 not checked"
    annotations = list(projects_report.github(projects))
    assert annotations[:2] == ["::error title=a::a: 1 new slowdown%0A  b", "::error title=f::no, it is %25"]
    assert annotations[9:] == ["::error title=paceline::4 other projects. See the log of the run."]
