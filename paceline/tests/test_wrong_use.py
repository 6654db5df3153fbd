"""A user's mistake ends with exit status 4 and one line: cause, values, remedy."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import QUICK, TEST, Project

WRONG_USE = 4


def test_unknown_revision(project: Project) -> None:
    run = project.judge_here("--benchmark-against=v99")
    assert run.status == WRONG_USE
    assert "unknown revision 'v99'" in run.error
    assert "git fetch" in run.error
    assert project.leftovers == []


def test_path_swallowed_as_revision(project: Project) -> None:
    run = project.judge("--benchmark-against", "test_speed.py")
    assert run.status == WRONG_USE
    assert "expected a revision, got the path 'test_speed.py'" in run.error


def test_shallow_clone(project: Project, tmp_path: Path) -> None:
    first = project.git("rev-parse", "HEAD").strip()
    project.commit()
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", f"file://{project.root}", str(tmp_path / "shallow")],
        check=True,
    )
    shallow = Project(tmp_path / "shallow", project.temporary)
    run = shallow.judge_here(f"--benchmark-against={first}")
    assert run.status == WRONG_USE
    assert "shallow" in run.error
    assert "fetch-depth: 0" in run.error


@pytest.mark.slow
def test_shallow_clone_can_still_be_judged_against_its_head(project: Project, tmp_path: Path) -> None:
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", f"file://{project.root}", str(tmp_path / "shallow")],
        check=True,
    )
    run = Project(tmp_path / "shallow", project.temporary).judge()
    assert run.verdicts == {"test_total": "same"}, run.output


def test_no_repository(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    run = project.judge_here()
    assert run.status == WRONG_USE
    assert "not in a git repository" in run.error


def test_no_git(project: Project, tmp_path: Path) -> None:
    run = project.judge(environment={"PATH": str(tmp_path)})
    assert run.status == WRONG_USE
    assert "git was not found" in run.error


def test_no_default_branch(project: Project) -> None:
    project.git("branch", "--move", "other")
    run = project.judge_here("--benchmark-against")
    assert run.status == WRONG_USE
    assert "Name a base" in run.error


def test_no_benchmark_selected(project: Project) -> None:
    run = project.judge("-k", "nothing_like_that")
    assert run.status == WRONG_USE
    assert "no benchmark was selected" in run.error


def test_nothing_measured_is_no_success(make_project: Callable[..., Project]) -> None:
    skipped = "import pytest\n\n@pytest.mark.skip(reason='no GPU')\n" + TEST.replace("import work\n", "")
    run = make_project(files={"test_speed.py": skipped}).judge()
    assert run.status == WRONG_USE
    assert "nothing was measured" in run.error
    assert "no GPU" in run.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--benchmark-tolerance=3 percent"], "3 percent"),
        (["--benchmark-tolerance=200%"], "expected a fraction between 0 and 1"),
        (["--benchmark-budget=-1"], "expected a positive number of seconds"),
        (["--benchmark-skip"], "contradict"),
        (["--benchmark-against-python=/no/such/python"], "cannot run '/no/such/python'"),
        (["--benchmark-against-python=/bin/false"], "Name a Python executable"),
    ],
)
def test_impossible_options(project: Project, arguments: list[str], words: str) -> None:
    run = project.judge_here("--benchmark-against=HEAD", *arguments)
    assert run.status == WRONG_USE
    assert words in run.error


def test_unknown_setting(project: Project) -> None:
    project.write({"pyproject.toml": "[tool.paceline]\ntolerence = 0.1\n"})
    run = project.judge_here()
    assert run.status == WRONG_USE
    assert "no setting 'tolerence'" in run.error


def test_overlay_that_does_not_exist(project: Project) -> None:
    project.write({"pyproject.toml": '[tool.paceline]\noverlay = ["benches"]\n'})
    assert "overlay: head has no 'benches'" in project.judge().error


@pytest.mark.slow
def test_json_that_cannot_be_written(project: Project) -> None:
    words = ("--benchmark-against=HEAD", "--benchmark-against-json=work.py/x")
    process = project.start(*QUICK, *words, early=True)
    output, _ = process.communicate()
    assert process.returncode == WRONG_USE
    assert "work.py/x: " in output.partition("ERROR: cannot write ")[2]
    assert "test_total" in output.partition("head against HEAD")[2]  # what was measured is shown all the same


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can make a small disk")
def test_full_disk(project: Project, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        project.commit({"data.bin": os.urandom(400_000).hex()})
        run = project.judge(environment={"TMPDIR": str(disk)})
        assert run.status == WRONG_USE
        assert "No space left" in run.error
        assert list(disk.glob("paceline-*")) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
