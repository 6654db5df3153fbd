"""Installs a side's code into a folder of its own, with the installer that there is.

Environments of conda and uv often have no pip. Then the pip in the interpreter's standard library is used, else that
of the gate's own Python, else uv.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from paceline.errors import PacelineError
from paceline.system.git import git, plain_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paceline.gate.sides.asv_install import InstallCommand

PIP_OPTIONS = ("--disable-pip-version-check", "--no-input", "--no-deps", "--no-warn-script-location", "--quiet")
# The first attempt needs no network, but the build's requirements in the environment; the next uses build isolation.
ATTEMPTS = (("--no-build-isolation", "--check-build-dependencies"), ("--retries=1", "--timeout=10"))
UV_ATTEMPTS = (("--no-build-isolation",), ())
# Variables by which builds can be told a version that they would make of the commit, each of another tool.
VERSIONS = (
    *("SETUPTOOLS_SCM_PRETEND_VERSION", "PDM_BUILD_SCM_VERSION", "PBR_VERSION"),
    *("POETRY_DYNAMIC_VERSIONING_BYPASS", "UV_DYNAMIC_VERSIONING_BYPASS"),
)
# Lines that pip prints around every cause.
FRAMES = re.compile(
    r"subprocess-exited-with-error|metadata-generation-failed|[Ff]ailed (to build|building)|[Cc]ould not build|^note:"
    r"|^hint:|did not run successfully|package mentioned above|^exit code|end of output|originates from a subprocess"
    r"|^ERROR: Failed|See above for|returned non-zero exit status|^Traceback|^During handling|failed-wheel-build"
)
DIAGNOSTIC = re.compile(r"^\S+:\d+(:\d+)?: (fatal )?error: ")  # of a compiler
EXCEPTION = re.compile(r"^([A-Za-z_]\w*\.)*[A-Z]\w*(Error|Exception|Exit|NotFound\w*)\b(:|$)")
FAILED = re.compile(r"^(fatal )?error: |^ERROR: |^fatal: |\berror: ", re.IGNORECASE)


def install(executable: str, what: Sequence[Path], site: Path, side: str, remedy: str) -> None:
    """Install projects or wheels into `site`, in one call. Raises PacelineError with the cause and this remedy."""
    site.mkdir(exist_ok=True)
    command, environment, attempts = _installer(executable, side)
    environment |= last_release(what[0])
    reasons: list[str] = []
    for attempt in attempts:
        words = [*command, "--target", str(site), *attempt, *map(str, what)]
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", check=False, cwd=site, env=environment
        )
        if done.returncode == 0:
            return
        reasons.append(cause(f"{done.stdout}\n{done.stderr}"))
    again = "" if reasons[1] == reasons[0] else f"; with build isolation: {reasons[1]}"
    raise PacelineError(f"{side} could not be installed: {reasons[0]}{again}. {remedy}")


def _installer(executable: str, side: str) -> tuple[list[str], dict[str, str], Sequence[Sequence[str]]]:
    """Return the command that installs for an interpreter, its environment, and the options to try."""
    environment = plain_environment() | {"PIP_USER": "0"}
    has_pip = subprocess.run([executable, "-c", "import pip"], capture_output=True, check=False).returncode == 0
    if not has_pip:
        lent = next(_lent_pips(executable), None)
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(executable).parent), os.environ.get("PATH", "")]))
        if lent is None and uv is None:
            raise PacelineError(
                f"{side} must be installed, but {executable} has no pip. Install pip for it"
                f" (`{executable} -m ensurepip`), or install uv."
            )
        if lent is None:
            options = ["--quiet", "--no-deps", "--no-cache", f"--python={executable}"]
            return [str(uv), "pip", "install", *options], environment, UV_ATTEMPTS
        inherited = filter(None, [environment.get("PYTHONPATH"), lent])
        environment["PYTHONPATH"] = os.pathsep.join(inherited)
    return [executable, "-m", "pip", "install", *PIP_OPTIONS], environment, ATTEMPTS


def _lent_pips(executable: str) -> Iterator[str]:
    """Yield wheels of pip that Python itself contains; on an import path, they run without being installed."""
    script = "import ensurepip, pathlib; print(*pathlib.Path(ensurepip.__file__).parent.glob('_bundled/pip-*.whl'))"
    for python in (executable, sys.executable):
        done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
        yield from done.stdout.split("\n")[0].split(" ")[:1] if done.stdout.strip() else ()


def last_release(project: Path) -> dict[str, str]:
    """Return variables that give a project the version of the last tag before its commit, unless the user gives one.

    Otherwise two sides differ by their versions alone.
    """
    try:
        tag = git(project, "describe", "--tags", "--abbrev=0") if project.is_dir() else ""
    except PacelineError:
        return {}
    found = re.search(r"\d+(\.\d+)+", tag)
    return {name: found[0] for name in VERSIONS if found and name not in os.environ}


def run_as_asv(command: InstallCommand, side: str) -> None:
    """Run one of asv's commands. Raises PacelineError with the cause if it fails."""
    environment = plain_environment() | last_release(command.folder) | dict(command.environment)
    try:
        done = subprocess.run(
            command.words, cwd=command.folder, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise PacelineError(
            f"{side}: asv.conf.json: cannot run {command.words[0]}: {error.strerror}. Install it, or fix the command."
        ) from None
    if command.statuses is not None and done.returncode not in command.statuses:
        why = cause(done.stderr or done.stdout)
        raise PacelineError(
            f"{side}: asv.conf.json: `{shlex.join(command.words)}` failed: {why}. Run it by hand to see all of it."
        )


def cause(output: str) -> str:
    """Return the line of an installer's output that names the cause."""
    lines = [line.strip().lstrip("│╰─>\u00d7| ").strip() for line in output.splitlines()]
    lines = [line for line in lines if line and not FRAMES.search(line)]
    for pattern, place in ((DIAGNOSTIC, 0), (EXCEPTION, -1), (FAILED, -1)):
        found = [line for line in lines if pattern.search(line)]
        if found:
            return found[place].removeprefix("ERROR: ")[:300]
    return (lines or ["no output"])[-1][:300]
