"""An installer's own cause, out of all that it says around it, and the version that both sides get."""

from collections.abc import Callable
from pathlib import Path

import pytest
from paceline.gate.sides.install import cause, last_release
from projects import Project

AROUND = """  error: subprocess-exited-with-error
  \u00d7 Building wheel for work (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [21 lines of output]
      CAUSE
      [end of output]
  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for work
ERROR: Failed to build 'work' when installing build dependencies
note: This is an issue with the package mentioned above, not pip.
"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("building\nerror: command 'gcc' failed: No such file", "error: command 'gcc' failed: No such file"),
        ("ModuleNotFoundError: No module named 'numpy'", "ModuleNotFoundError: No module named 'numpy'"),
        ("work.c:1:10: fatal error: Python.h: No such file\nerror: command '/usr/bin/gcc' failed with exit code 1",
         "work.c:1:10: fatal error: Python.h: No such file"),
        ("fatal: No names found\nsubprocess.CalledProcessError: Command '['git']' returned non-zero exit status 128.",
         "fatal: No names found"),
        ("meson.build:1:0: ERROR: Unknown compiler(s)", "meson.build:1:0: ERROR: Unknown compiler(s)"),
        ("ERROR: No matching distribution found for hatchling", "No matching distribution found for hatchling"),
        ("it is what it is", "it is what it is"),
    ],
)  # fmt: skip
def test_cause_is_the_line_that_names_it(said: str, expected: str) -> None:
    assert cause(AROUND.replace("CAUSE", said)) == expected


def test_installer_that_says_nothing_gave_no_reason() -> None:
    assert cause("\n") == "no output"


def test_a_version_made_of_the_commit_is_that_of_the_last_tag(
    make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(files={"work.py": ""})
    assert last_release(project.root) == {}
    project.git("tag", "work-v1.2.3")
    project.commit()
    monkeypatch.setenv("PBR_VERSION", "7")
    found = last_release(project.root)
    assert found["SETUPTOOLS_SCM_PRETEND_VERSION"] == "1.2.3"
    assert "PBR_VERSION" not in found


def test_without_git_no_version_is_given(tmp_path: Path) -> None:
    assert last_release(tmp_path) == {} == last_release(tmp_path / "work.whl")
