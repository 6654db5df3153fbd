"""Head's tree holds what its code is made of, and no more."""

from pathlib import Path

from paceline.gate import checkout
from projects import WORK, Project


def test_compiled_leftovers_are_not_taken_for_code(project: Project, tmp_path: Path) -> None:
    """A module that was compiled in place may be older than its source, and would be imported first."""
    (project.root / "work.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")
    project.write({"other.py": WORK})
    checkout.WorkingTree.read(project.root).copy(tmp_path / "tree")
    names = {path.name for path in (tmp_path / "tree").iterdir()}
    assert names == {".git", "work.py", "test_speed.py", "other.py"}


def test_compiled_files_that_are_tracked_stay(project: Project, tmp_path: Path) -> None:
    (project.root / "data.so").write_bytes(b"\x7fELF")
    project.commit()
    checkout.WorkingTree.read(project.root).copy(tmp_path / "tree")
    assert (tmp_path / "tree" / "data.so").is_file()
