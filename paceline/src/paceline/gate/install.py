"""Where a project must be installed to be importable, both sides are, each into a folder of its own."""

from __future__ import annotations

import json
import subprocess
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paceline.errors import PacelineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMPILED = ("mesonpy", "scikit_build_core", "maturin", "setuptools_rust", "skbuild", "pdm.build.cpp")
PROBE = """
import json, sys
from importlib import metadata
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps({
    "executable": sys.executable,
    "python": sys.version.split()[0],
    "recent": sys.version_info >= (3, 11),
    "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix}),
    "pytest": version("pytest"),
    "pytest-benchmark": version("pytest-benchmark"),
    "plugin": any(point.name == "paceline" for point in metadata.entry_points(group="pytest11")),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that can run a side. `prefixes` are where its environment and its standard library live.

    `lacking` are distributions that a side needs and its environment does not have.
    """

    executable: str
    version: str
    prefixes: tuple[str, ...]
    lacking: tuple[str, ...]
    has_plugin: bool


def probe(executable: str, folder: Path) -> Interpreter:
    """Ask an interpreter what it is. Raises PacelineError if it cannot run a side."""
    try:
        done = subprocess.run(
            [executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=120, cwd=folder
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PacelineError(f"cannot run {executable!r} ({error}): name a Python executable") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise PacelineError(f"{executable!r} failed ({last}): name a Python executable")
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise PacelineError(f"{executable!r} does not answer like Python: name a Python executable") from None
    if not found["recent"]:
        raise PacelineError(f"{executable} is Python {found['python']}: a side needs 3.11 or newer")
    lacking = tuple(name for name in ("pytest", "pytest-benchmark") if found[name] is None)
    return Interpreter(found["executable"], found["python"], tuple(found["prefixes"]), lacking, bool(found["plugin"]))


def needs_install(tree: Path, on_path: Sequence[str]) -> bool:
    """Whether code in this tree cannot be imported from where it lies: `src/` layout, or compiled parts.

    `on_path` is pytest's `pythonpath` setting: a `src` that is on it needs no installation.
    """
    if not any((tree / name).is_file() for name in ("pyproject.toml", "setup.py", "setup.cfg")):
        return False
    source = tree / "src"
    in_source = any(source.glob("*/__init__.py")) or any(source.glob("*.py"))
    return (in_source and "src" not in {path.rstrip("/") for path in on_path}) or _is_compiled(tree)


def _is_compiled(tree: Path) -> bool:
    try:
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        project = {}
    backend = str(project.get("build-system", {}).get("build-backend", ""))
    if backend.startswith(COMPILED):
        return True
    try:
        script = (tree / "setup.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        script = ""
    settings = project.get("tool", {}).get("setuptools", {})
    return "ext_modules" in script or "cffi_modules" in script or "ext-modules" in settings


def install(interpreter: Interpreter, tree: Path, site: Path, side: str) -> None:
    """Install a tree into `site`. Raises PacelineError with pip's last words.

    First without build isolation, which needs no network, if this environment has what the build requires;
    else with it.
    """
    command = [interpreter.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    command += ["--no-deps", "--no-input", "--target", str(site), "--no-warn-script-location"]
    words: list[str] = []
    for attempt in (["--no-build-isolation", "--check-build-dependencies"], ["--retries=1", "--timeout=10"]):
        done = subprocess.run([*command, *attempt, str(tree)], capture_output=True, text=True, check=False, cwd=tree)
        if done.returncode == 0:
            return
        words.append(_reason(done.stderr))
    raise PacelineError(
        f"{side} could not be installed: {words[0]}; with build isolation: {words[1]}: install its build"
        " requirements here, or set --benchmark-against-install=no if it runs without being installed"
    )


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:") or "Error:" in line]
    return (errors or lines or ["pip gave no reason"])[-1][:300]
