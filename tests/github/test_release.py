"""A release is built, looked at and installed before it could be published."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from hub import release
from paceline.errors import PacelineError

from tests.github.workflows import ROOT, outside, workflows

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = {"paceline/__init__.py", "paceline/py.typed"}


def wheel(path: Path, names: set[str], points: str = "\n".join(release.ENTRY_POINTS)) -> Path:
    """Write a wheel of empty files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
        archive.writestr("paceline-1.dist-info/entry_points.txt", points)
    return path


def test_a_sound_wheel_passes(tmp_path: Path) -> None:
    release.check_wheel(wheel(tmp_path / "a.whl", SOURCES), SOURCES)


@pytest.mark.parametrize(
    ("names", "points", "said"),
    [
        ({"paceline/__init__.py"}, "\n".join(release.ENTRY_POINTS), r"missing \['paceline/py.typed'\]"),
        (SOURCES | {"tests/x.py"}, "\n".join(release.ENTRY_POINTS), r"unexpected \['tests/x.py'\]"),
        (SOURCES, "", "entry point"),
    ],
)
def test_a_wheel_that_lacks_something_is_refused(names: set[str], points: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(PacelineError, match=said):
        release.check_wheel(wheel(tmp_path / "a.whl", names, points), SOURCES)


def test_an_sdist_that_lacks_something_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("paceline-1/src/paceline/__init__.py"), io.BytesIO())
    with pytest.raises(PacelineError, match=r"py\.typed"):
        release.check_sdist(tmp_path / "a.tar.gz", SOURCES)


@pytest.mark.parametrize("tag", ["paceline-v0.2.0", "v0.1.0", "paceline-v0.1", ""])
def test_a_tag_names_the_version_that_is_built(tag: str) -> None:
    release.check_tag("paceline-v0.1.0", "0.1.0")
    with pytest.raises(PacelineError, match=r"tag paceline-v0\.1\.0"):
        release.check_tag(tag, "0.1.0")


def test_nothing_old_is_published(tmp_path: Path) -> None:
    (tmp_path / "old.whl").touch()
    scripts = str(ROOT / ".github" / "scripts")
    command = [sys.executable, "-I", scripts, "release", "--out", str(tmp_path)]
    done = subprocess.run(command, env=outside(), capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "is not empty" in done.stderr


def test_what_is_installed_is_one_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(ROOT / ".github" / "scripts"), "release", "--install", str(tmp_path)]
    done = subprocess.run(command, env=outside(), capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "expected one wheel, got 0" in done.stderr


def test_nothing_that_is_not_locked_is_installed_where_files_are_built() -> None:
    (flow,) = (flow for flow in workflows() if flow.name == "release.yml")
    lines = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in flow.jobs.items()}
    locked = "python -m pip install --disable-pip-version-check --require-hashes --requirement "
    assert lines["build"][0].startswith(locked)
    assert lines["build"][1:] == ["python -I .github/scripts release --out dist"]
    assert lines["install"] == ["python -I .github/scripts release --install dist"]
    assert not any(
        step["uses"].startswith("actions/upload") for step in flow.jobs["install"]["steps"] if "uses" in step
    )
    assert flow.jobs["publish"]["needs"] == ["build", "install"]


@pytest.mark.slow
def test_paceline_is_built_checked_and_installed(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = str(environment / "bin" / "python")
    locked = ROOT / ".github" / "requirements-release.txt"
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--quiet",
        "--require-hashes",
        "-r",
        str(locked),
    ]
    subprocess.run(pip, check=True, env=outside())
    for option, said in (("--out", "built and checked"), ("--install", "installed, and its commands run")):
        command = [python, "-I", str(ROOT / ".github" / "scripts"), "release", option, str(tmp_path / "dist")]
        done = subprocess.run(command, env=outside(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert said in done.stdout
    assert sorted(path.suffix for path in (tmp_path / "dist").iterdir()) == [".gz", ".whl"]
