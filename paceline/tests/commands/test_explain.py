"""`paceline explain` between any two revisions, by a real gate, and its one-line errors."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from paceline.cli import main
from projects import FEW_SAMPLES, TEST, WORK, Project

COUNT = "def count(text):\n    found = {}\n    for each in text:\n        found[each] = found.get(each, 0) + 1\n"
BOTH = f"{WORK}\n{COUNT}\ndef both(count_of):\n    total(count_of)\n    count('abc' * 300)\n    return 1\n"


@pytest.fixture
def other(make_project: Callable[..., Project]) -> Project:
    """A project whose second commit moves work from one function to another, and takes as long."""
    project = make_project(
        files={
            "work.py": BOTH,
            "test_speed.py": TEST.replace("work.total, 300", "work.both, 900"),
            "conftest.py": FEW_SAMPLES,
        }
    )
    project.commit({"work.py": BOTH.replace("'abc' * 300", "'abc' * 150").replace("    total(", "    total(600 + ")})
    return project


@pytest.mark.slow
def test_functions_are_named_whatever_the_verdict_is(other: Project, tmp_path: Path) -> None:
    before = other.git("status", "--porcelain", "--ignored")
    document, graphs = tmp_path / "found.json", tmp_path / "graphs"
    more = ["--benchmark-tolerance=80%", "--benchmark-alpha=50%", f"--json={document}", f"--flamegraph={graphs}"]
    done = other.paceline("explain", "test_speed.py::test_total", "HEAD~1", "HEAD", "--seconds=250", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads(document.read_text(encoding="utf-8"))["benchmarks"]
    assert found["verdict"] == "same"
    named = {each["function"]: each["change"] > 0 for each in found["why"]["functions"] if each["named"]}
    assert named == {"total": True, "count": False}
    assert "\nwhy: " in done.stdout
    assert {path.suffix for path in graphs.iterdir()} == {".html", ".json"}
    assert other.git("status", "--porcelain", "--ignored") == before
    assert other.leftovers == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["test_speed.py::test_total", "v9", "HEAD"], "unknown revision 'v9'"),
        (["test_speed.py::test_total", "HEAD", "work.py"], "HEAD: expected a revision, got the path 'work.py'"),
        (["nothing.test_total", "HEAD", "HEAD"], "no test file for 'nothing.test_total'"),
        (["test_speed.py::test_total", "HEAD", "HEAD", "--seconds=x"], "expected a positive number of seconds"),
        (["test_speed.py::test_total", "HEAD"], "the following arguments are required: HEAD"),
    ],
)
def test_wrong_use_is_one_line(
    project: Project,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project.root)
    try:
        status = main(["explain", *arguments])
    except SystemExit as ended:
        status = int(ended.code or 0)
    error = capsys.readouterr().err
    assert (status, error.count("\n")) == (4, 1), error
    assert said in error
