"""`paceline gate` judges from outside: the code under test never runs in the process that judges it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from paceline.commands import gate
from paceline.commands.gate import find_python, split
from paceline.errors import PacelineError
from projects import TEST, WORK, Project

from paceline import cli

SLOWER = WORK.replace("range(count)", "range(3 * count)")
WRONG_USE = 4


@pytest.mark.slow
def test_slowdown_is_red_and_identical_code_is_not(project: Project) -> None:
    same = project.gate("HEAD")
    assert same.status == 0, same.output
    assert same.verdicts == {"test_total": "same"}
    project.write({"work.py": SLOWER})
    slower = project.gate("HEAD", "-k", "total")
    assert slower.status == 1, slower.output
    assert slower.verdicts == {"test_total": "slower"}
    assert "1 slower in" in slower.output


@pytest.mark.slow
def test_code_under_test_cannot_touch_the_judge(project: Project) -> None:
    """It patches the gate wherever it is imported, and ends its own process with success."""
    attack = """
import atexit, os, sys
from paceline.gate import verdict
from paceline.report import closing
verdict.Benchmark.finding = None
closing.Closing.is_red = False
atexit.register(os._exit, 0)
"""
    project.write({"work.py": SLOWER + attack, "pytest.ini": "[pytest]\naddopts = --benchmark-accept=trust-me\n"})
    run = project.gate("HEAD")
    assert run.status == 1, run.output
    assert run.verdicts == {"test_total": "slower"}


@pytest.mark.slow
def test_everyday_settings_do_not_decide(make_project: Callable[..., Project]) -> None:
    settings = "[pytest]\naddopts = -n 2 --cov --cov-fail-under=100 --durations=3 --benchmark-skip -x\n"
    settings += "filterwarnings = error\n"
    warns = "import warnings\nwarnings.warn('old', DeprecationWarning)\n"
    files = {"work.py": WORK + warns, "test_speed.py": TEST, "pytest.ini": settings}
    project = make_project(files=files)
    for run in (project.gate("HEAD"), project.judge()):
        assert run.status == 0, run.output
        assert run.verdicts == {"test_total": "same"}
        assert "note: not applied in a gate: --cov, --durations, --maxfail, -n" in run.output
        assert "Coverage" not in run.output


@pytest.mark.slow
def test_suite_that_is_collected_by_benchmark_only_alone(make_project: Callable[..., Project]) -> None:
    """As this repository's own: its conftest looks for benchmarks elsewhere than for tests."""
    conftest = """
def pytest_configure(config):
    if config.option.benchmark_only:
        config.args = ["bench"]
"""
    files = {
        "work.py": WORK,
        "conftest.py": conftest,
        "bench/test_speed.py": TEST,
        "tests/test_it.py": "def test(): 1",
    }
    project = make_project(files=files | {"pytest.ini": "[pytest]\ntestpaths = tests\npythonpath = .\n"})
    run = project.gate("HEAD")
    assert run.verdicts == {"test_total": "same"}, run.output


def test_collection_errors_of_head_end_the_gate(project: Project) -> None:
    project.write({"test_other.py": "import nowhere\n"})
    run = project.gate("HEAD")
    assert run.status == WRONG_USE
    assert run.error.startswith("ERROR: head: test_other.py could not be collected: ModuleNotFoundError")


def test_the_last_words_of_a_process_are_whole(project: Project) -> None:
    project.write({"pytest.ini": "[pytest]\naddopts = -p no:benchmark\n"})
    run = project.gate("HEAD")
    assert run.status == WRONG_USE
    assert ": python -m pytest: error: unrecognized arguments: " in run.error


def test_base_is_the_first_word_if_it_is_a_revision(project: Project) -> None:
    project.git("branch", "topic")
    project.git("branch", "work.py")
    root = project.root
    assert split([], root) == ("", [])
    assert split(["-k", "topic"], root) == ("", ["-k", "topic"])
    assert split(["topic", "-k", "x", "test_speed.py"], root) == ("topic", ["-k", "x", "test_speed.py"])
    assert split(["test_speed.py::test_total"], root) == ("", ["test_speed.py::test_total"])
    assert split(["--", "work.py"], root) == ("", ["work.py"])
    assert split(["work.py", "--", "test_speed.py"], root) == ("work.py", ["test_speed.py"])
    with pytest.raises(PacelineError, match=r"'work\.py' is both a revision and a path"):
        split(["work.py", "-q"], root)
    with pytest.raises(PacelineError, match="unknown revision 'v99'"):
        split(["v99"], root)


def test_options_of_the_gate_count_behind_two_dashes_too(project: Project) -> None:
    """As the action hands its input `arguments` over; of an unknown one pytest says that there is no such option."""
    arguments = cli.parser().parse_args(["gate"])
    words = ["-k", "a or b", "--benchmark-unsure=suspects", "--benchmark-budget", "9", "--unheard", "test_speed.py"]
    assert gate._without_own(words, arguments) == ["-k", "a or b", "--unheard", "test_speed.py"]  # noqa: SLF001
    assert (arguments.benchmark_unsure, arguments.benchmark_budget) == ("suspects", "9")
    run = project.gate("HEAD", "--", "--benchmark-timeout=0")
    assert "expected a positive number of seconds" in run.error


def test_python_of_the_project_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    inner = tmp_path / "inner"
    for environment in (tmp_path / ".venv", tmp_path / "active"):
        (environment / "bin").mkdir(parents=True)
        (environment / "bin" / "python").touch()
    inner.mkdir()
    assert find_python(inner) == str(tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    assert find_python(inner) == str(tmp_path / "active" / "bin" / "python")


def test_environment_without_any_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PacelineError, match="--python"):
        find_python(tmp_path)


def test_github_is_told_why_there_is_no_verdict(project: Project, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    for run in (
        project.gate("HEAD", "-k", "nothing", environment=github),
        project.judge("-k", "x", environment=github),
    ):
        assert run.status == WRONG_USE
        assert "::error title=paceline::no benchmark was selected" in run.output
        assert "unavailable" not in run.output
    assert summary.read_text(encoding="utf-8").count("### paceline: nothing was judged") == 2


def test_a_folder_outside_git_is_named(tmp_path: Path) -> None:
    with pytest.raises(PacelineError, match=r"is not in a git repository, so there is no base to compare with"):
        split(["HEAD"], tmp_path)
