"""Compiled modules that a side ought to have."""

import sys
from pathlib import Path

import pytest
from paceline.gate.sides.compiled import has_source, unimportable, unimportable_here


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("work/_fast.pyx", "", True),
        ("native/_fast.c", "", True),
        ("setup.py", "Extension('work._fast', [])", True),
        ("Cargo.toml", 'name = "_fast"', True),
        ("setup.py", "setup(name='breakfast')", False),
        ("work/_fast.py", "", False),
        ("README.md", "_fast", False),
    ],
)
def test_source_is_a_file_or_named_by_the_build(tmp_path: Path, file: str, text: str, *, expected: bool) -> None:
    write(tmp_path, {file: text})
    assert has_source([tmp_path], "work._fast") is expected


def test_import_that_fails_has_its_reason(tmp_path: Path) -> None:
    write(tmp_path, {"work/__init__.py": "", "work/good.py": "", "work/bad.py": "import nowhere"})
    found = unimportable(sys.executable, ["work.good", "work.bad"], tmp_path)
    assert found == {"work.bad": "ModuleNotFoundError: No module named 'nowhere'"}


def test_process_that_crashes_says_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"work.py": "import os; os._exit(9)"})
    assert unimportable(sys.executable, ["work"], tmp_path) == {}


def test_checkout_that_hides_what_is_installed_is_no_excuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path, {"checkout/work/__init__.py": "", "installed/work/__init__.py": "", "installed/work/_fast.py": ""}
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    found = unimportable_here(sys.executable, ["work._fast", "work._gone"], tmp_path / "checkout")
    assert set(found) == {"work._gone"}
