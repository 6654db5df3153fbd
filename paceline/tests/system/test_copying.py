"""Files are copied and removed as they are, and nothing outside of a tree is touched through its links."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from paceline.gate.sides import overlay, workspace
from paceline.system import copying

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
HAS_SETPRIV = shutil.which("setpriv") is not None
needs_permissions = pytest.mark.skipif(
    os.name == "nt" or (IS_ROOT and not HAS_SETPRIV), reason="this user may read and write everything"
)


def as_any_user(code: str, *arguments: Path) -> str:
    """Run Python code without the right to pass over permissions, that only root has. Returns what it prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    if IS_ROOT:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder of the user's with a precious file, that is read-only."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("precious", encoding="utf-8")
    (folder / "file").chmod(0o400)
    return folder


def make_tree(root: Path) -> None:
    """Write a tree with files in several folders, of which some are closed."""
    for name in ("a/b/c", "a/d", "e/f"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text("", encoding="utf-8")
        (root / name / "other").write_text("", encoding="utf-8")


def is_untouched(outside: Path) -> bool:
    file = outside / "file"
    return file.read_text(encoding="utf-8") == "precious" and stat.S_IMODE(file.stat().st_mode) == 0o400


@needs_permissions
def test_closed_folders_and_files_are_removed_and_nothing_behind_their_links(tmp_path: Path, outside: Path) -> None:
    """A link in a read-only folder resists at first; what it leads to keeps its mode."""
    tree = tmp_path / "tree"
    make_tree(tree)
    (tree / "a" / "d" / "link").symlink_to(outside / "file")
    (tree / "a" / "d" / "folder").symlink_to(outside)
    for name, mode in (("e", 0), ("a/d", 0o500), ("a/b", 0o100), ("a/b/c", 0o400)):
        (tree / name).chmod(mode)
    as_any_user("import sys, pathlib, paceline.system.copying as f; f.remove(pathlib.Path(sys.argv[1]))", tree)
    assert not tree.exists()
    assert is_untouched(outside)


def test_link_in_place_of_a_folder_is_not_followed(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "link").symlink_to(outside)
    copying.remove(tmp_path / "link")
    assert is_untouched(outside)


@pytest.mark.parametrize("name", ["tests/file", "tests/inner/file", "tests"])
def test_overlay_never_writes_through_a_link_of_base(tmp_path: Path, outside: Path, name: str) -> None:
    """Base had its tests elsewhere, by an absolute link."""
    head, base = tmp_path / "head", tmp_path / "base"
    (head / "tests" / "inner").mkdir(parents=True)
    (head / "tests" / "file").write_text("head's", encoding="utf-8")
    (head / "tests" / "inner" / "file").write_text("head's", encoding="utf-8")
    base.mkdir()
    (base / "tests").symlink_to(outside)
    is_folder = (head / name).is_dir()
    overlay.overlay(head, base, [] if is_folder else [name], [name] if is_folder else [])
    assert is_untouched(outside)
    assert (base / (f"{name}/file" if is_folder else name)).read_text(encoding="utf-8") == "head's"
    assert not (base / "tests").is_symlink()


def test_overlay_of_a_folder_behind_a_link_removes_nothing_there(tmp_path: Path, outside: Path) -> None:
    head, base = tmp_path / "head", tmp_path / "base"
    (head / "tests" / "inner").mkdir(parents=True)
    (head / "tests" / "inner" / "file").write_text("head's", encoding="utf-8")
    base.mkdir()
    (outside / "inner").mkdir()
    (outside / "inner" / "kept").write_text("", encoding="utf-8")
    (base / "tests").symlink_to(outside)
    overlay.overlay(head, base, [], ["tests/inner"])
    assert is_untouched(outside)
    assert (outside / "inner" / "kept").exists()
    assert (base / "tests" / "inner" / "file").read_text(encoding="utf-8") == "head's"


def test_overlay_by_a_link_inside_the_tree_reaches_the_file(tmp_path: Path) -> None:
    head, base = tmp_path / "head", tmp_path / "base"
    for side, text in ((head, "head's"), (base, "base's")):
        (side / "shared").mkdir(parents=True)
        (side / "shared" / "test_x.py").write_text(text, encoding="utf-8")
        (side / "tests").symlink_to("shared")
    assert overlay.overlay(head, base, ["tests/test_x.py"], []) == {"tests/test_x.py"}
    assert (base / "shared" / "test_x.py").read_text(encoding="utf-8") == "head's"


def test_overlay_takes_the_place_of_what_base_has_there(tmp_path: Path) -> None:
    """A folder where head has a file, a file where head has a folder, and a file that head's folder lacks."""
    head, base = tmp_path / "head", tmp_path / "base"
    for name in ("one", "two/file", "three/file"):
        (head / name).parent.mkdir(parents=True, exist_ok=True)
        (head / name).write_text("head's", encoding="utf-8")
    for name in ("one/file", "two", "three/old"):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("base's", encoding="utf-8")
    overlay.overlay(head, base, ["one", "two/file"], ["three"])
    found = {path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file()}
    assert found == {"one", "two/file", "three/file"}


def test_large_files_are_copied_whole(tmp_path: Path) -> None:
    """Around the size from which holes are looked for."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    for size in (0, 1, copying.SMALL - 1, copying.SMALL, copying.SMALL + 1, 3 * copying.SMALL + 7):
        (source / str(size)).write_bytes(os.urandom(size))
    names = [path.name for path in source.iterdir()]
    copying.copy_files(source, target, names)
    assert all((source / name).read_bytes() == (target / name).read_bytes() for name in names)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")  # noqa: S108
def test_large_files_are_copied_between_file_systems(tmp_path: Path) -> None:
    content = os.urandom(2 * copying.SMALL)
    (tmp_path / "file").write_bytes(content)
    elsewhere = Path("/dev/shm", f"paceline-test-{os.getpid()}")  # noqa: S108
    elsewhere.mkdir()
    try:
        copying.copy_files(tmp_path, elsewhere, ["file"])
        assert (elsewhere / "file").read_bytes() == content
    finally:
        shutil.rmtree(elsewhere)


# Workspaces

KILLED = """
import os, pathlib, signal, sys, tempfile
from paceline.gate.sides.workspace import Workspace
tempfile.tempdir, last = sys.argv[1], int(sys.argv[2])
steps = 0
def count(event, arguments):
    global steps
    is_step = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir")
    if is_step or (event == "open" and "owner" in str(arguments[0])):
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
with Workspace.create() as workspace:
    for name in ("a/file", "a/inner/file", "logs/file"):
        path = workspace.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot tell a dead gate's folder")
def test_gate_that_is_killed_at_any_step_leaves_nothing_that_the_next_one_does_not_remove(tmp_path: Path) -> None:
    """Whether it makes its folder or removes it, and after each single file."""
    step, status = 0, -9
    while status == -9:  # SIGKILL
        step += 1
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(step)], check=False)
        status = done.returncode
        for folder in tmp_path.iterdir():
            if not (folder / workspace.OWNER).exists():
                os.utime(folder, (0, 0))  # as if it had been long ago
        workspace.remove_leftovers(tmp_path)
        assert list(tmp_path.iterdir()) == [], f"killed at step {step}"
    assert status == 0
    assert step > 12  # it has been killed in between


def test_folder_in_the_making_is_left_alone(tmp_path: Path) -> None:
    for name in ("paceline-abcdefgh", "paceline-12345678"):
        (tmp_path / name).mkdir()
    (tmp_path / "paceline-12345678" / "owner.new").write_text("", encoding="utf-8")
    assert workspace.remove_leftovers(tmp_path) == []


def test_folders_of_others_are_left_alone_however_old(tmp_path: Path) -> None:
    """By name, by what they hold, and by what is in the place of the owner's file."""
    for name in ("paceline-of-somebody", "paceline-results1", "paceline-abcdefgh"):
        (tmp_path / name).mkdir()
    (tmp_path / "paceline-results1" / "file").write_text("", encoding="utf-8")
    (tmp_path / "paceline-abcdefgh" / "owner").mkdir()
    (tmp_path / "paceline-file").write_text("", encoding="utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "owner").write_text("precious", encoding="utf-8")
    (tmp_path / "paceline-87654321").symlink_to(tmp_path / "mine")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    assert workspace.remove_leftovers(tmp_path) == []
    assert (tmp_path / "mine" / "owner").read_text(encoding="utf-8") == "precious"


@needs_permissions
def test_what_resists_keeps_its_owner_so_that_the_next_gate_tries_again(tmp_path: Path) -> None:
    """As files of another user's do, that a container wrote."""
    folder = tmp_path / "paceline-abcdefgh"
    make_tree(folder)
    (folder / "owner").write_text("", encoding="utf-8")
    code = "import sys, os, pathlib, paceline.system.copying as f\n"
    code += "def refuse(*_, **__): raise PermissionError\nf.os.rmdir = refuse\n"
    code += "f.remove(pathlib.Path(sys.argv[1]), last='owner')"
    as_any_user(code, folder)
    assert (folder / "owner").exists()
    assert workspace.remove_leftovers(tmp_path) == [folder]
    assert not folder.exists()
