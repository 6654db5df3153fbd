"""Head's tree holds what its code is made of, and no more."""

from pathlib import Path

import pytest
from paceline.errors import PacelineError
from paceline.gate import checkout
from projects import WORK, Project


def test_compiled_leftovers_are_not_taken_for_code(project: Project, tmp_path: Path) -> None:
    """A module that was compiled in place may be older than its source, and would be imported first."""
    (project.root / "work.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")
    project.write({"other.py": WORK})
    checkout.checkout_working_tree(project.root, tmp_path / "tree")
    names = {path.name for path in (tmp_path / "tree").iterdir()}
    assert names == {".git", "work.py", "test_speed.py", "other.py"}


def test_compiled_files_that_are_tracked_stay(project: Project, tmp_path: Path) -> None:
    (project.root / "data.so").write_bytes(b"\x7fELF")
    project.commit()
    checkout.checkout_working_tree(project.root, tmp_path / "tree")
    assert (tmp_path / "tree" / "data.so").is_file()


def trees(folder: Path) -> tuple[Path, Path, Path]:
    """Head and base, and a folder of the user's outside of both."""
    for name in ("head", "base", "victim"):
        (folder / name).mkdir()
    (folder / "victim" / "precious").write_text("mine", encoding="utf-8")
    return folder / "head", folder / "base", folder / "victim"


@pytest.mark.parametrize("name", ["../victim", "link/inner", "link/precious", "."])
def test_nothing_outside_of_base_is_replaced(tmp_path: Path, name: str) -> None:
    head, base, victim = trees(tmp_path)
    (victim / "inner").mkdir()
    (victim / "inner" / "too").write_text("mine", encoding="utf-8")
    (base / "link").symlink_to(victim)
    (head / "link" / "inner").mkdir(parents=True)
    (head / "link" / "precious").write_text("head's", encoding="utf-8")
    is_file = (head / name).is_file()
    with pytest.raises(PacelineError, match="lies outside of the checkout, or behind a link"):
        checkout.overlay(head, base, [name] * is_file, [name] * (not is_file))
    assert (victim / "precious").read_text(encoding="utf-8") == "mine"
    assert (victim / "inner" / "too").exists()


def test_a_link_in_base_gives_way_and_what_it_led_to_stays(tmp_path: Path) -> None:
    head, base, victim = trees(tmp_path)
    (base / "tests").symlink_to(victim)
    (head / "tests").mkdir()
    (head / "tests" / "precious").write_text("head's", encoding="utf-8")
    assert checkout.overlay(head, base, [], ["tests"]) == {"tests/precious"}
    assert not (base / "tests").is_symlink()
    assert (base / "tests" / "precious").read_text(encoding="utf-8") == "head's"
    assert (victim / "precious").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(("in_head", "in_base"), [("tests/a.py", "tests"), ("tests", "tests/a.py"), ("a/b", "a")])
def test_files_and_folders_take_each_others_place(tmp_path: Path, in_head: str, in_base: str) -> None:
    head, base, _ = trees(tmp_path)
    for root, name in ((head, in_head), (base, in_base)):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    folders = ["tests"] if in_head == "tests/a.py" else []
    assert checkout.overlay(head, base, [] if folders else [in_head], folders) == {in_head}
    assert (base / in_head).read_text(encoding="utf-8") == in_head


def test_what_lies_behind_a_link_is_neither_copied_nor_removed(project: Project, tmp_path: Path) -> None:
    """A folder that git knows may have become a link to where there is room for its files."""
    project.commit({"data/file": "committed"})
    outside = tmp_path / "outside"
    (project.root / "data").rename(outside)
    (project.root / "data").symlink_to(outside)
    checkout.checkout_working_tree(project.root, tmp_path / "tree")
    assert (outside / "file").read_text(encoding="utf-8") == "committed"
    assert (tmp_path / "tree" / "data").is_symlink()


def test_git_that_cannot_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PacelineError, match=f"cannot run git in {tmp_path}/gone: No such file"):
        checkout.git(tmp_path / "gone", "status")
