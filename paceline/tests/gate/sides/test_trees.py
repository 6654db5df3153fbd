"""Both trees as a gate makes them: in time, with progress, and with one line where they cannot be made."""

import errno
import math
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from paceline.config.options import SIDES
from paceline.config.request import Request
from paceline.config.settings import Settings
from paceline.errors import PacelineError
from paceline.gate import execution
from paceline.gate.sides import trees, workspace
from paceline.gate.sides.workspace import Workspace
from paceline.gate.trial import Trial
from paceline.system import copying, refusals
from projects import Project

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
needs_permissions = pytest.mark.skipif(
    os.name == "nt" or (IS_ROOT and shutil.which("setpriv") is None), reason="this user may read everything"
)
SETTINGS = Settings("HEAD", tolerance=0.5, alpha=0.1)
JUDGE = """
import resource, sys, tempfile
from pathlib import Path
from paceline.errors import PacelineError
from paceline.config.request import Request
from paceline.config.options import SIDES
from paceline.config.settings import Settings
from paceline.gate import execution
from paceline.gate.trial import Trial
tempfile.tempdir = sys.argv[1]
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    execution.run(Trial(Request(Settings("HEAD"), (), Path.cwd(), sys.executable), print))
except PacelineError as error:
    print("ERROR:", error)
"""


def error_of_child(project: Project, *arguments: str) -> str:
    """Return the one line with which a gate ends for a user without the right to pass over permissions."""
    command = [sys.executable, "-c", JUDGE, str(project.temporary), *arguments]
    if IS_ROOT:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", *command]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert list(project.temporary.iterdir()) == []
    lines = [line for line in done.stdout.splitlines() if line.startswith("ERROR: ")]
    assert len(lines) == 1, done.stdout
    return lines[0]


@pytest.fixture
def judge(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[[Settings], list[str]]:
    """Return a function that runs a gate in this process, and returns what it said."""
    monkeypatch.setattr("tempfile.tempdir", str(project.temporary))

    def run(settings: Settings) -> list[str]:
        said: list[str] = []
        execution.run(Trial(Request(settings, (), project.root, sys.executable), said.append))
        return said

    return run


@needs_permissions
@pytest.mark.parametrize("name", ["untracked.db", "work.py", "folder/inner"])
def test_file_that_cannot_be_read_is_named(project: Project, name: str) -> None:
    """As containers leave them, for another user alone."""
    if "/" in name:
        project.commit({name: ""})
    project.write({name: "closed"})
    (project.root / name).chmod(0)
    if "/" in name:
        (project.root / name).parent.chmod(0)
    try:
        error = error_of_child(project)
    finally:
        (project.root / name).parent.chmod(0o700)
    assert name in error
    assert "ermission denied" in error


@needs_permissions
def test_folder_that_cannot_be_read_is_none_of_git_s(project: Project, tmp_path: Path) -> None:
    """As a database's, that a container wrote: git does not list it either."""
    project.write({"closed/file": ""})
    (project.root / "closed").chmod(0)
    code = "import sys; from pathlib import Path; from paceline.gate.sides.checkout import WorkingTree\n"
    code += "WorkingTree.read(Path(sys.argv[1])).copy(Path(sys.argv[2]))"
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if IS_ROOT else []
    subprocess.run([*command, sys.executable, "-c", code, str(project.root), str(tmp_path / "tree")], check=True)
    (project.root / "closed").chmod(0o700)
    assert (tmp_path / "tree" / "work.py").is_file()
    assert not (tmp_path / "tree" / "closed").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits here")
@pytest.mark.parametrize("tracked", [True, False])
def test_file_beyond_the_limit_of_sizes_is_one_line(project: Project, *, tracked: bool) -> None:
    """Git is ended by a signal; Python meets an error."""
    (project.root / "data.bin").write_bytes(os.urandom(700_000))
    if tracked:
        project.commit()
    assert "`ulimit -f`" in error_of_child(project, "500000")


@pytest.mark.skipif(os.name != "posix" or not IS_ROOT, reason="only root can make a small disk")
def test_disk_that_is_full_of_untracked_files_is_named(project: Project, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "none", str(disk)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (project.root / "data.bin").write_bytes(os.urandom(700_000))
        error = error_of_child(Project(project.root, disk))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert str(disk) in error
    assert "No space left on device" in error
    assert "TMPDIR" in error


def made_trees(project: Project, settings: Settings, said: list[str]) -> Iterator[trees.Trees]:
    """Make both trees of a project, and remove them."""
    with Workspace.create() as made_in:
        made = trees.Trees(Request(settings, (), project.root, sys.executable), made_in, said.append, [])
        made.make(math.inf)
        yield made


def test_project_without_git_is_copied_without_what_is_no_file(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A FIFO, links in circles, an environment, a hidden folder and compiled leftovers."""
    monkeypatch.setattr("tempfile.tempdir", str(project.temporary))
    shutil.rmtree(project.root / ".git")
    project.write({".hidden/x": "", "env/pyvenv.cfg": "", "__pycache__/x.pyc": "", "inner/file": "", ".flake8": ""})
    (project.root / "pyproject.toml").write_text("", encoding="utf-8")
    (project.root / "up").symlink_to("..")
    os.mkfifo(project.root / "pipe")
    (project.root / "inner").chmod(0o500)
    for made in made_trees(project, replace(SETTINGS, revision=None, python=sys.executable), []):
        for side in SIDES:
            tree = made.tree(side)
            found = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if not path.is_dir()}
            found |= {path.name for path in tree.iterdir() if path.is_symlink()}
            assert found == {"work.py", "test_speed.py", "pyproject.toml", "inner/file", ".flake8", "up"}


@pytest.mark.parametrize("name", ["site", "served.json", "a", "owner", "plugin"])
def test_checkout_named_like_a_part_of_the_workspace(
    make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What is installed would else be written over the tree."""
    project = make_project(name=name)
    monkeypatch.setattr("tempfile.tempdir", str(project.temporary))
    for made in made_trees(project, SETTINGS, []):
        for side in SIDES:
            assert (made.tree(side) / "work.py").is_file()
            assert made.tree(side) not in (made.site(side), made.served_file(side))


@pytest.mark.parametrize("number", list(refusals.REFUSALS))
def test_refusals_of_the_system_are_one_line_with_a_remedy(number: int) -> None:
    for error in (OSError(number, os.strerror(number)), OSError(number, os.strerror(number), "x"), PermissionError()):
        line = refusals.refusal(error, Path("/tmp/gate"))  # noqa: S108
        if isinstance(error, PermissionError):
            assert line is None
            continue
        assert line is not None
        assert os.strerror(number) in line
        assert ("x" if error.filename else "gate") in line
    gathered = shutil.Error([("a", "b", f"[Errno {number}] {os.strerror(number)}: 'b'")])
    assert refusals.refusal(gathered, Path("gate")) is not None
    assert refusals.refusal(OSError(errno.EEXIST, "File exists"), Path("gate")) is None


def test_budget_that_ends_while_files_are_written_ends_the_gate_then(
    project: Project, judge: Callable[[Settings], list[str]]
) -> None:
    short = replace(SETTINGS, budget=1e-9)
    for settings in (short, replace(short, revision=None, python=sys.executable)):
        with pytest.raises(PacelineError, match="budget"):
            judge(settings)
    assert project.leftovers == []


def test_many_files_are_written_with_progress(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (("MANY", 1), ("OFTEN", 1), ("SILENCE", 0.0)):
        monkeypatch.setattr(trees, name, value)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said: list[str] = []
    assert len(list(made_trees(project, SETTINGS, said))) == 1
    assert said == ["writing 2 files for each side", "wrote 0 of 2 files", "wrote 1 of 2 files"]


def test_removal_that_takes_long_is_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(workspace, "PATIENCE", 0.0)
    announced = threading.Event()
    remove = copying.remove

    def slow(folder: Path, last: str = "") -> None:
        assert announced.wait(30)
        remove(folder, last)

    monkeypatch.setattr(copying, "remove", slow)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        announced.set()

    with Workspace.create(say) as made_in:
        pass
    assert said == [f"removing {made_in.folder}"]


@pytest.mark.slow
def test_sides_do_not_see_variables_of_an_outer_git(project: Project) -> None:
    """A gate that a hook of git's starts; versions are read from git by each side."""
    test = "import os, subprocess, work\n\ndef test_it(benchmark):\n"
    test += "    assert not {'GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE'} & set(os.environ)\n"
    test += "    top = subprocess.check_output(['git', 'rev-parse', '--show-toplevel'], text=True)\n"
    test += "    assert 'paceline-' in top\n    benchmark(work.total, 300)\n"
    project.commit({"test_speed.py": test})
    outer = {"GIT_DIR": str(project.root / ".git"), "GIT_WORK_TREE": str(project.root), "GIT_INDEX_FILE": "/none"}
    run = project.gate("HEAD", environment=outer)
    assert run.verdicts == {"test_it": "same"}, run.output
