"""`release`: builds paceline's sdist and wheel, and checks them.

Installing brings dependencies that are not locked, so it is a step of its own: they never run in the job that builds.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import PacelineError

from hub.install import PACELINE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

PREFIX = "paceline-v"
ENTRY_POINTS = ("paceline = paceline.plugin", "paceline = paceline.cli:main")


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("release", help="build paceline's sdist and wheel, and check them")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="an empty or new folder (default: dist)")
    parser.add_argument(
        "--install", type=Path, metavar="DIR", help="build nothing, but install the wheel of this folder"
    )


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Build and check, or install, and return 0. Raises PacelineError."""
    if arguments.install is not None:
        return _install(arguments.install)
    version = str(tomllib.loads((PACELINE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    if environment.get("GITHUB_REF_TYPE") == "tag":
        check_tag(environment.get("GITHUB_REF_NAME", ""), version)
    out: Path = arguments.out
    if out.is_dir() and any(out.iterdir()):
        raise PacelineError(f"{out} is not empty. Remove it, so that no old file is published.")
    _call(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(PACELINE))
    wheel, sdist = out / f"paceline-{version}-py3-none-any.whl", out / f"paceline-{version}.tar.gz"
    if {path.name for path in out.iterdir()} != {wheel.name, sdist.name}:
        raise PacelineError(
            f"{out}: expected one wheel and one sdist, got {sorted(path.name for path in out.iterdir())}"
        )
    _call(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist))
    check_wheel(wheel, _sources())
    check_sdist(sdist, _sources())
    print(f"{wheel.name} and {sdist.name}: built and checked")
    return 0


def check_tag(tag: str, version: str) -> None:
    """Raise PacelineError unless the tag names the version that is built."""
    if tag != PREFIX + version:
        raise PacelineError(
            f"the tag is {tag!r}, but paceline/pyproject.toml has version {version}. Use the tag {PREFIX}{version}."
        )


def _sources() -> set[str]:
    """Return the files of the package, as paths below `src`."""
    source = PACELINE / "src"
    files = (path for path in (source / "paceline").rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(source).as_posix() for path in files}


def check_wheel(wheel: Path, sources: Iterable[str]) -> None:
    """Raise PacelineError unless the wheel holds every source file, nothing else of ours, and the entry points."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        points = next((name for name in names if name.endswith(".dist-info/entry_points.txt")), None)
        declared = archive.read(points).decode() if points else ""
    _compare(wheel.name, {name for name in names if ".dist-info/" not in name}, set(sources))
    for point in ENTRY_POINTS:
        if point not in declared:
            raise PacelineError(f"{wheel.name}: missing the entry point `{point}`")


def check_sdist(sdist: Path, sources: Iterable[str]) -> None:
    """Raise PacelineError unless the sdist holds every source file."""
    with tarfile.open(sdist) as archive:
        names = {re.sub(r"^[^/]+/", "", name) for name in archive.getnames()}
    found = {name.removeprefix("src/") for name in names if name.startswith("src/paceline/")}
    _compare(sdist.name, found & set(sources), set(sources))


def _compare(where: str, found: set[str], wanted: set[str]) -> None:
    if found != wanted:
        raise PacelineError(
            f"{where}: missing {sorted(wanted - found)[:5]}, unexpected {sorted(found - wanted)[:5]}."
            " See [tool.setuptools] in paceline/pyproject.toml."
        )


def _install(dist: Path) -> int:
    """Install the wheel into a new environment, and run its help."""
    wheels = sorted(dist.glob("*.whl"))
    if len(wheels) != 1:
        raise PacelineError(f"{dist}: expected one wheel, got {len(wheels)}. Build it first, with --out {dist}.")
    with tempfile.TemporaryDirectory(prefix="paceline-release-") as folder:
        venv.create(folder)
        binaries = Path(folder, "Scripts" if sys.platform == "win32" else "bin")
        pip = (sys.executable, "-m", "pip", "--python", str(binaries / "python"))
        _call(*pip, "install", "--disable-pip-version-check", "--quiet", str(wheels[0]))
        _call(str(binaries / "paceline"), "--help")
        _call(str(binaries / "pytest"), "--help", expected="--benchmark-against")
    print(f"{wheels[0].name}: installed, and its commands run")
    return 0


def _call(*command: str, expected: str = "") -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout if not expected else "", end="", flush=True)
    if done.returncode or expected not in done.stdout:
        raise PacelineError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-600:]}")
